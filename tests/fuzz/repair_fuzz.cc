// A database whose files the input has changed, checksums made right if it asks for that. Deep
// verification and repair come to an end. The new database is in order; unless checksums were
// forged, it holds nothing that the damaged one never did, and all of one state of it when the
// report knows of no loss.
#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "fuzz/input.h"
#include "fuzz/mend.h"
#include "persistence/committed_file.h"
#include "persistence/salvage.h"
#include "support/crashing_disk.h"
#include "xtree/database.h"
#include "xtree/repair.h"

namespace {

using xtree::test::DirectoryImage;
using xtree::test::FileBytes;
using xtree::test::FuzzInput;
using xtree::testing::SimulatedFileSystem;
using xtree::test::require;
using Index = xtree::Index<2, std::uint32_t, float>;
using State = std::set<std::uint32_t>;  // an entry's box follows from its value

constexpr const char* kDirectory = "db";
constexpr const char* kFresh = "fresh";

xtree::Box<2, float> box_of(std::uint32_t value) {
  const auto x = static_cast<float>(value * 7 % 64);
  const auto y = static_cast<float>(value * 5 % 64);
  return {{x, y}, {x + 1, y + 1}};
}

xtree::Options options_on(SimulatedFileSystem& files) {
  xtree::Options options;
  options.file_system = &files;
  options.background_checkpoints = false;
  options.log_file_bytes = 16 << 10;
  return options;
}

// A database of two lives: bulk loaded, some of it erased, with a checkpoint, and a log behind it.
struct Specimen {
  DirectoryImage image;
  std::vector<std::pair<std::string, std::vector<std::uint64_t>>> images;  // of nodes, by file
  std::set<State> states;  // of the newest checkpoint, and since
  State values;            // that were ever there

  Specimen() {
    SimulatedFileSystem files;
    for (const bool is_first : {true, false}) {
      auto db = xtree::Database::open(kDirectory, options_on(files)).value();
      auto index = db.index<2, std::uint32_t, float>("index").value();
      is_first ? begin(db, index) : go_on(index);
      // Before the database is closed: the second life is killed.
      image = xtree::test::directory_of(files.image(), kDirectory);
      if (is_first) db.close().value();
    }
    find_images();
  }

 private:
  void begin(xtree::Database& db, Index& index) {
    std::vector<Index::Entry> entries;
    for (std::uint32_t i = 0; i < 300; ++i) entries.push_back({box_of(i), i});
    index.bulk_load(entries).value();
    for (std::uint32_t i = 0; i < 300; ++i) values.insert(i);
    now_ = values;
    for (std::uint32_t i = 0; i < 40; ++i) erase(index, i * 3);
    xtree::Batch batch;
    batch.put("offset", "1234");
    db.apply(batch).value();
    db.checkpoint().value();
    states = {now_};
  }
  void go_on(Index& index) {
    for (std::uint32_t i = 0; i < 10; ++i) {
      index.insert(box_of(1000 + i), 1000 + i).value();
      values.insert(1000 + i);
      now_.insert(1000 + i);
      states.insert(now_);
      erase(index, 1 + i * 3);
    }
  }
  void erase(Index& index, std::uint32_t value) {
    require(index.erase(box_of(value), value).value());
    now_.erase(value);
    states.insert(now_);
  }
  void find_images() {
    SimulatedFileSystem files(xtree::test::disk_of(kDirectory, image));
    xtree::FaultReport report;
    xtree::persistence::FaultList faults(kDirectory, report);
    const auto found = xtree::persistence::scan_segments(files, kDirectory, faults);
    require(report.faults.empty() && !found.whole.empty());
    const std::size_t folder = std::strlen(kDirectory) + 1;
    for (const auto& [name, content] : image) {
      std::vector<std::uint64_t> offsets;
      for (const auto& place : found.whole) {
        const auto path = xtree::persistence::segment_path(kDirectory, place.segment);
        if (path.substr(folder) == name) offsets.push_back(place.offset);
      }
      std::ranges::sort(offsets);
      images.emplace_back(name, std::move(offsets));
    }
  }

  State now_;
};

// Makes a checksum of this file right, the `which`-th of those that it has.
void mend(const std::string& name, const std::vector<std::uint64_t>& images, std::size_t which,
          FileBytes& file) {
  if (name == "superblock") {
    xtree::test::mend_superblock_slot(file, xtree::persistence::kSuperblockOffsets[which % 2]);
  } else if (name.starts_with("MANIFEST")) {
    xtree::test::mend_manifest(file);
  } else if (name.starts_with("table/")) {
    xtree::test::mend_table(file);
  } else if (name.starts_with("wal/")) {
    xtree::test::mend_log_block(file, which);
  } else if (!images.empty()) {
    xtree::test::mend_image(file, images[which % images.size()]);
  }
}

// Where in the file the input writes: mostly where something begins that is read.
std::uint64_t place_in(const std::vector<std::uint64_t>& images, const FileBytes& file,
                       FuzzInput& input) {
  const auto which = input.take<std::uint8_t>();
  const std::uint64_t begin =
      images.empty() ? std::uint64_t{which % 4u} * 4096 : images[which % images.size()];
  return (begin + input.take<std::uint16_t>() % 1024) % file.size();
}

// Whether the input has made a checksum right that is of something else.
bool harm(const Specimen& specimen, DirectoryImage& image, FuzzInput& input) {
  bool is_forged = false;
  while (!input.empty()) {
    const auto& [name, images] = specimen.images[input.take<std::uint8_t>() %
                                                 specimen.images.size()];
    const auto found = image.find(name);
    const auto action = input.take<std::uint8_t>();
    if (found == image.end() || name.back() == '/' || found->second.empty()) continue;
    FileBytes& file = found->second;
    if (action % 16 == 0) {
      image.erase(found);
    } else if (action % 16 == 1) {
      file.resize(input.take<std::uint32_t>() % (file.size() + 1));
    } else if (action % 4 == 2) {
      mend(name, images, action / 4, file);
      is_forged = true;
    } else {
      file[place_in(images, file, input)] ^= input.take<std::byte>();
    }
  }
  return is_forged;
}

// What the new database holds; it is in order.
State content_of(xtree::Database& db) {
  require(db.verify().has_value());
  State state;
  auto index = db.index<2, std::uint32_t, float>("index");
  if (!index) return state;  // under another name, or with another schema
  index->for_each(xtree::everything(), [&](const Index::Hit& hit) { state.insert(hit.value); })
      .value();
  return state;
}

void check(const Specimen& specimen, SimulatedFileSystem& files, const xtree::RepairReport& report,
           bool is_forged) {
  auto db = xtree::Database::open(kFresh, options_on(files)).value();
  const State state = content_of(db);
  if (is_forged) return;
  require(std::ranges::includes(specimen.values, state));
  if (report.complete && report.faults.empty()) require(specimen.states.contains(state));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Specimen kSpecimen;
  DirectoryImage image = kSpecimen.image;
  FuzzInput input(data, size);
  const bool is_forged = harm(kSpecimen, image, input);
  SimulatedFileSystem files(xtree::test::disk_of(kDirectory, image));
  xtree::RepairOptions options;
  options.file_system = &files;
  const auto verified = xtree::verify_deep(kDirectory, options);
  const auto repaired = xtree::repair(kDirectory, kFresh, options);
  if (repaired) {
    require(verified.has_value());
    check(kSpecimen, files, *repaired, is_forged);
    if (verified->faults.empty() && !is_forged) require(repaired->complete);
  } else {
    require(repaired.error().code() == xtree::ErrorCode::newer_format ||
            repaired.error().code() == xtree::ErrorCode::not_a_database ||
            (is_forged && repaired.error().code() == xtree::ErrorCode::corruption));
  }
  return 0;
}
