// A superblock file with anything in it, checksums made right if the input asks for it.
#include <vector>

#include "fuzz/input.h"
#include "fuzz/mend.h"
#include "persistence/superblock.h"
#include "support/crashing_disk.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xtree::persistence;
  xtree::test::FuzzInput input(data, size);
  // Two slots that are right but for what the input writes over them.
  std::vector<std::byte> file(kSuperblockOffsets[1] + kSuperblockBytes);
  const auto flags = input.take<std::uint8_t>();
  for (const std::uint64_t generation : {2, 3}) {
    const auto slot = encode_superblock({generation, 100 * generation, 7});
    std::memcpy(file.data() + kSuperblockOffsets[generation % 2], slot.data(), slot.size());
  }
  while (!input.empty()) {
    const std::uint64_t slot = kSuperblockOffsets[input.take<std::uint8_t>() % 2];
    file[slot + input.take<std::uint16_t>() % 40] = input.take<std::byte>();
  }
  if ((flags & 1) != 0) xtree::test::mend_superblock_slot(file, kSuperblockOffsets[0]);
  if ((flags & 2) != 0) xtree::test::mend_superblock_slot(file, kSuperblockOffsets[1]);
  file.resize(file.size() - (flags & 4) * 1000u);
  xtree::testing::SimulatedFileSystem files(xtree::test::disk_of("db", {{"superblock", file}}));
  const auto read = read_superblocks(files, "db");
  if (read) {
    xtree::test::require(!read->older || read->older->generation + 1 == read->newest.generation);
  } else {
    xtree::test::require(read.error().code() == xtree::ErrorCode::corruption ||
                         read.error().code() == xtree::ErrorCode::newer_format);
  }
  return 0;
}
