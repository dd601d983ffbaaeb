// Salvage: what can still be read of a database's files when not all of them are whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "persistence/frame.h"
#include "persistence/manifest.h"
#include "persistence/node_id.h"
#include "persistence/superblock.h"
#include "persistence/table_file.h"
#include "xtree/platform.h"
#include "xtree/repair.h"

namespace xtree::persistence {

// Where an image lies, and what is known of it without its bytes.
struct ImagePlace {
  NodeId id;
  // As a scan found them; 0 when a table names the image.
  std::uint64_t birth = 0;
  std::uint64_t next_lsn = 0;  // the first operation that its checkpoint does not hold
  std::uint64_t offset = 0;
  std::uint32_t segment = 0;
  std::uint32_t bytes = 0;         // in memory
  std::uint32_t stored_bytes = 0;  // where it lies
  std::uint32_t checksum = 0;
  // The last bytes of the image's first line, which mean something to the layer above; from a scan.
  std::uint64_t tag = 0;
  friend bool operator==(const ImagePlace&, const ImagePlace&) noexcept = default;
};

// Puts places into the order in which they are best read.
void sort_by_place(std::vector<ImagePlace>& places);

// Collects faults. Paths are shortened to what stands behind the database's directory.
class FaultList {
 public:
  FaultList(std::string_view directory, FaultReport& report)
      : prefix_(std::string(directory).append("/")),
        report_(report) {}

  Fault& fault(std::string_view path, std::optional<std::uint64_t> offset, std::string text) {
    return add(report_.faults, path, offset, std::move(text));
  }
  Fault& doubt(std::string_view path, std::optional<std::uint64_t> offset, std::string text) {
    return add(report_.doubts, path, offset, std::move(text));
  }
  // What an error of some function says of a file, as a fault.
  Fault& error(std::string_view path, const Error& error);

 private:
  Fault& add(std::vector<Fault>& list, std::string_view path, std::optional<std::uint64_t> offset,
             std::string text) const;

  std::string prefix_;
  FaultReport& report_;
};

// A checkpoint as far as its files are whole.
struct SalvagedCheckpoint {
  Manifest manifest;
  bool is_named = false;  // by a slot of the superblock
  bool table_is_whole = false;
  // By handle. If the table is not whole: what the files behind the last damaged one say, which
  // nothing can have overruled.
  std::vector<TableEntry> table;
};

// The checkpoints of a directory, best first, and how many bytes of them were checked.
struct SalvagedCheckpoints {
  std::vector<SalvagedCheckpoint> checkpoints;
  std::uint64_t live_bytes = 0;
  // Whether a newer checkpoint than the first of the list was named and is lost.
  bool newest_is_lost = false;
  bool has_superblock = false;
};

// Reads the superblock, the manifests that it names and their tables, and reports all that is wrong
// with them. Manifests that no slot names are looked at only when none that is named is whole, with
// its table. `newer_format` is an error; whatever else goes wrong with a file is a fault.
Result<SalvagedCheckpoints> salvage_checkpoints(FileSystem& files, const std::string& directory,
                                                FaultList& faults);

// Reads images from segment files, one open file at a time.
class ImageReader {
 public:
  ImageReader(FileSystem& files, std::string directory) noexcept
      : files_(files),
        directory_(std::move(directory)) {}

  // The image, unpacked, if it is what `place` says: NodeID, size, checksum, and birth where one is
  // known. It stays where it is until the next call. Any other outcome is an error that says what
  // is wrong.
  Result<const FrameHeader*> read(const ImagePlace& place);

  [[nodiscard]] std::string path(const ImagePlace& place) const;

 private:
  struct alignas(kFrameAlignment) Line {
    std::byte bytes[kFrameAlignment];
  };

  FileSystem& files_;
  const std::string directory_;
  std::unique_ptr<File> file_;
  std::uint32_t segment_ = 0;
  std::vector<Line> image_;
};

// The live images that a table names.
std::vector<ImagePlace> places_of(std::span<const TableEntry> table);

// What a scan of segment files finds: by handle, then from its first life to its last, and from the
// oldest checkpoint to the newest.
struct ScannedImages {
  std::vector<ImagePlace> whole;
  // Headers that make sense, before bytes that do not have their checksum: images that are damaged,
  // or that were partly written over after they had been given up.
  std::vector<ImagePlace> torn;
};

// Steps through every segment file by the unit to which images are aligned, and believes a header
// by its checksum. A file that cannot be read is a fault.
ScannedImages scan_segments(FileSystem& files, const std::string& directory, FaultList& faults);

// Of those, the ones that lie where a manifest says that a segment has images. What a checkpoint
// wrote that came to nothing lies elsewhere, so all of these were part of a checkpoint once.
ScannedImages images_within(const ScannedImages& images, const Manifest& manifest);

}  // namespace xtree::persistence
