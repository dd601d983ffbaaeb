// A manifest whose checksum is right and whose content is what the input makes of a good one: it
// is refused, or it is what encoding it again gives.
#include <vector>

#include "fuzz/input.h"
#include "fuzz/mend.h"
#include "persistence/manifest.h"

namespace {

using namespace xtree::persistence;

std::vector<std::byte> some_manifest() {
  Manifest manifest;
  manifest.checkpoint.generation = 4;
  manifest.checkpoint.epoch = 40;
  manifest.checkpoint.next_lsn = 400;
  manifest.checkpoint.log_file = 2;
  manifest.segments = {{.number = 1, .bytes = 65536}, {.number = 3, .bytes = 8192}};
  manifest.next_segment = 4;
  manifest.next_table = 2;
  manifest.table_files = {{.number = 1, .entries = 9, .bytes = table_file_bytes(9), .checksum = 7}};
  Superblock superblock;
  return encode_manifest(manifest, superblock);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<std::byte> kManifest = some_manifest();
  std::vector<std::byte> bytes = kManifest;
  xtree::test::FuzzInput input(data, size);
  while (!input.empty()) {
    const auto at = input.take<std::uint16_t>();
    if (at >= 0x8000) bytes.resize(at % 512);
    if (!bytes.empty()) bytes[at % bytes.size()] = input.take<std::byte>();
  }
  Superblock superblock;
  superblock.generation = 4;
  superblock.manifest_bytes = bytes.size();
  superblock.manifest_checksum = xtree::test::mend_manifest(bytes);
  const auto manifest = decode_manifest(bytes, superblock, "manifest");
  if (!manifest) {
    xtree::test::require(manifest.error().code() == xtree::ErrorCode::corruption ||
                         manifest.error().code() == xtree::ErrorCode::newer_format);
    return 0;
  }
  Superblock again;
  const std::vector<std::byte> encoded = encode_manifest(*manifest, again);
  xtree::test::require(decode_manifest(encoded, again, "manifest").has_value());
  return 0;
}
