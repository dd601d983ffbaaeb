#include "persistence/salvage.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <tuple>
#include <utility>

#include "persistence/committed_file.h"
#include "persistence/packed_image.h"
#include "persistence/storage.h"
#include "platform/check.h"

namespace xtree::persistence {

namespace {

std::string superblock_path(const std::string& directory) { return directory + "/superblock"; }

// Reads the superblock, manifests and tables of one directory.
class CheckpointSalvage {
 public:
  CheckpointSalvage(FileSystem& files, const std::string& directory, FaultList& faults)
      : files_(files),
        directory_(directory),
        faults_(faults) {}

  Result<SalvagedCheckpoints> run() {
    XTREE_TRY(read_superblock());
    for (const Superblock& named : named_) XTREE_TRY(read_checkpoint(named, true));
    auto& found = found_.checkpoints;
    if (!std::ranges::any_of(found, &SalvagedCheckpoint::table_is_whole)) {
      XTREE_TRY(read_unnamed());
    }
    // The order of generations, but a whole table comes before any other.
    std::ranges::stable_sort(found, [](const SalvagedCheckpoint& a, const SalvagedCheckpoint& b) {
      return a.table_is_whole && !b.table_is_whole;
    });
    const std::uint64_t best = found.empty() ? 0 : found.front().manifest.checkpoint.generation;
    found_.newest_is_lost = !named_.empty() && best < named_.front().generation;
    return std::move(found_);
  }

 private:
  Result<void> read_superblock();
  Result<void> read_checkpoint(const Superblock& named, bool is_named);
  Result<void> read_unnamed();
  Result<void> read_table(SalvagedCheckpoint& checkpoint);
  Result<bool> read_table_file(const TableFileInfo& info, std::vector<TableEntry>& entries);
  // Nothing but a newer format and a want of memory ends the salvage; any other error is a fault of
  // the file.
  static bool is_final(const Error& error) noexcept {
    return error.code() == ErrorCode::newer_format || error.code() == ErrorCode::out_of_memory;
  }
  Result<void> note(const std::string& path, const Error& error) {
    if (is_final(error)) return error;
    faults_.error(path, error);
    return {};
  }

  FileSystem& files_;
  const std::string& directory_;
  FaultList& faults_;
  std::vector<Superblock> named_;    // newest first
  std::vector<TableFileInfo> read_;  // table files that were looked at, so that each counts once
  SalvagedCheckpoints found_;
};

Result<void> CheckpointSalvage::read_superblock() {
  const std::string path = superblock_path(directory_);
  const auto slots = read_superblock_slots(files_, directory_);
  if (!slots) return note(path, slots.error());
  found_.has_superblock = true;
  for (std::size_t i = 0; i < slots->size(); ++i) {
    const SuperblockSlot& slot = (*slots)[i];
    if (slot.state == SuperblockSlot::damaged) {
      faults_.fault(path, kSuperblockOffsets[i], "this slot of the superblock is damaged");
    } else if (slot.state == SuperblockSlot::valid) {
      named_.push_back(slot.superblock);
      found_.live_bytes += kSuperblockBytes;
    }
  }
  if (named_.empty()) {
    faults_.fault(path, 0, "neither slot of the superblock is valid");
    return {};
  }
  std::ranges::sort(named_, std::ranges::greater(), &Superblock::generation);
  if (named_.size() > 1 && named_[1].generation + 1 != named_[0].generation) {
    const std::uint64_t lost = named_[0].generation - 1;
    faults_.fault(
        path, kSuperblockOffsets[lost % kSuperblockOffsets.size()],
        "a write of this slot was lost: its generation is not the one before the other's");
    named_.pop_back();
  }
  return {};
}

Result<void> CheckpointSalvage::read_checkpoint(const Superblock& named, bool is_named) {
  auto manifest = read_manifest(files_, directory_, named);
  if (!manifest) return note(manifest_path(directory_, named.generation), manifest.error());
  found_.live_bytes += named.manifest_bytes;
  SalvagedCheckpoint checkpoint;
  checkpoint.manifest = std::move(*manifest);
  checkpoint.is_named = is_named;
  XTREE_TRY(read_table(checkpoint));
  found_.checkpoints.push_back(std::move(checkpoint));
  return {};
}

// A manifest vouches for itself with its checksum, so it tells what a superblock would have said.
Result<void> CheckpointSalvage::read_unnamed() {
  const auto names = files_.list(directory_);
  if (!names) return names.error();
  std::vector<std::uint64_t> generations;
  for (const std::string& name : *names) {
    const auto number = number_in_name(name, kManifestPrefix);
    if (!number || std::ranges::count(named_, *number, &Superblock::generation) != 0) continue;
    generations.push_back(*number);
  }
  std::ranges::sort(generations, std::ranges::greater());
  for (const std::uint64_t generation : generations) {
    const auto superblock = superblock_of_manifest(files_, directory_, generation);
    if (!superblock) {
      XTREE_TRY(note(manifest_path(directory_, generation), superblock.error()));
      continue;
    }
    XTREE_TRY(read_checkpoint(*superblock, false));
  }
  return {};
}

Result<bool> CheckpointSalvage::read_table_file(const TableFileInfo& info,
                                                std::vector<TableEntry>& entries) {
  const std::string path = table_path(directory_, info.number);
  const bool is_new = std::ranges::count(read_, info.number, &TableFileInfo::number) == 0;
  if (is_new) read_.push_back(info);
  bool whole = true;
  const auto damaged = [&](std::uint64_t offset, const char* text) {
    whole = false;
    if (is_new) faults_.fault(path, offset, text);
  };
  const auto done = persistence::read_table_file(files_, path, info, entries, damaged);
  if (!done) {
    if (is_new || is_final(done.error())) {
      XTREE_TRY(note(path, done.error()));
    }
    return false;
  }
  if (is_new) found_.live_bytes += info.bytes;
  return whole;
}

Result<void> CheckpointSalvage::read_table(SalvagedCheckpoint& checkpoint) {
  checkpoint.table_is_whole = true;
  std::vector<TableEntry> entries;
  for (const TableFileInfo& info : checkpoint.manifest.table_files) {
    const auto whole = read_table_file(info, entries);
    if (!whole) return whole.error();
    if (*whole) {
      merge_table(checkpoint.table, entries);
    } else {
      checkpoint.table_is_whole = false;
      checkpoint.table.clear();
    }
  }
  return {};
}

constexpr std::size_t kWindowBytes = std::size_t{4} << 20;
static_assert(kWindowBytes >= 2 * kMaxFrameBytes && kWindowBytes % kImageAlignment == 0);

std::uint64_t lsn_in(const FrameHeader& header) noexcept {
  std::uint64_t lsn = 0;
  std::memcpy(&lsn, &header.previous, sizeof lsn);
  return lsn;
}

// Whether bytes may be the header of an image at all.
bool is_plausible(const FrameHeader& header) noexcept {
  return NodeId{header.node_id}.tag() != 0 && unpacked_bytes(header) >= kFrameAlignment &&
         unpacked_bytes(header) <= kMaxFrameBytes;
}

// Looks at one segment file through a window that always has a whole image before its end.
Result<void> scan_segment(FileSystem& files, const std::string& path, std::uint32_t number,
                          ScannedImages& images) {
  auto file = files.open(path, OpenMode::read);
  if (!file) return file.error();
  std::vector<std::byte> window(kWindowBytes);
  std::uint64_t begin = 0;
  std::size_t held = 0;
  std::uint64_t at = 0;
  for (;;) {
    if (at + kMaxFrameBytes > begin + held) {
      begin = at;
      const auto count = (*file)->read_at(begin, window);
      if (!count) return count.error();
      held = *count;
    }
    if (at + kFrameAlignment > begin + held) return {};
    const auto bytes = std::span(window).first(held).subspan(at - begin);
    FrameHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    std::size_t step = kImageAlignment;
    const std::size_t stored = is_plausible(header) ? stored_image_bytes(bytes) : 0;
    if (stored != 0) {
      ImagePlace place{NodeId{header.node_id}, header.birth, lsn_in(header), at, number,
                       unpacked_bytes(header), static_cast<std::uint32_t>(stored),
                       header.checksum};
      std::memcpy(&place.tag, bytes.data() + kFrameAlignment - sizeof place.tag, sizeof place.tag);
      const bool whole =
          stored <= bytes.size() && image_checksum(bytes.first(stored)) == header.checksum;
      (whole ? images.whole : images.torn).push_back(place);
      if (whole) step = stored;
    }
    at += step;
  }
}

}  // namespace

Fault& FaultList::error(std::string_view path, const Error& error) {
  std::string text(error.message());
  // The place, which leads the message, is told apart from it here.
  const std::string place = std::string(error.place()) + ": ";
  if (text.starts_with(place)) text.erase(0, place.size());
  std::optional<std::uint64_t> offset;
  if (const auto at = std::string_view(error.place()).rfind(" at byte "); at != std::string::npos) {
    offset = std::strtoull(error.place() + at + std::strlen(" at byte "), nullptr, 10);
  }
  return fault(path, offset, std::move(text));
}

Fault& FaultList::add(std::vector<Fault>& list, std::string_view path,
                      std::optional<std::uint64_t> offset, std::string text) const {
  if (path.starts_with(prefix_)) path.remove_prefix(prefix_.size());
  list.push_back({std::string(path), offset, 0, {}, std::move(text)});
  return list.back();
}

void sort_by_place(std::vector<ImagePlace>& places) {
  std::ranges::sort(places, {},
                    [](const ImagePlace& place) { return std::pair(place.segment, place.offset); });
}

Result<SalvagedCheckpoints> salvage_checkpoints(FileSystem& files, const std::string& directory,
                                                FaultList& faults) {
  return CheckpointSalvage(files, directory, faults).run();
}

std::string ImageReader::path(const ImagePlace& place) const {
  return segment_path(directory_, place.segment);
}

Result<const FrameHeader*> ImageReader::read(const ImagePlace& place) {
  const auto offset = static_cast<std::int64_t>(place.offset);
  if (file_ == nullptr || segment_ != place.segment) {
    auto file = open_committed(files_, path(place), OpenMode::read);
    if (!file) {
      file_.reset();
      return file.error();
    }
    file_ = std::move(*file);
    segment_ = place.segment;
  }
  image_.resize((place.bytes + kFrameAlignment - 1) / kFrameAlignment);
  const auto image = std::as_writable_bytes(std::span(image_)).first(place.bytes);
  const auto stored = image.first(place.stored_bytes);
  XTREE_TRY(read_committed(*file_, path(place), place.offset, stored));
  const auto* header = reinterpret_cast<const FrameHeader*>(image.data());
  const bool has_birth = place.birth == 0 || place.birth == header->birth;
  const char* wrong = what_is_wrong(place.id, place.bytes, place.checksum, stored);
  if (wrong != nullptr) return corruption(path(place), offset, wrong);
  if (!has_birth) return corruption(path(place), offset, "the image changed since it was found");
  if (const Result<void> unpacked = unpack(image); !unpacked) {
    const bool is_damage = unpacked.error().code() == ErrorCode::corruption;
    return is_damage ? corruption(path(place), offset, kUnpackable) : unpacked.error();
  }
  return header;
}

std::vector<ImagePlace> places_of(std::span<const TableEntry> table) {
  std::vector<ImagePlace> places;
  for (const TableEntry& entry : table) {
    if (!entry.address) continue;
    places.push_back({entry.id, 0, 0, entry.address.offset(), entry.address.segment, entry.bytes,
                      entry.stored_bytes(), entry.checksum, 0});
  }
  return places;
}

ScannedImages scan_segments(FileSystem& files, const std::string& directory, FaultList& faults) {
  ScannedImages images;
  const std::string folder = std::string(directory).append(kSegmentsDirectory);
  const auto names = files.list(folder);
  if (!names) {
    faults.error(folder, names.error());
    return images;
  }
  for (const std::string& name : *names) {
    const auto number = number_in_name(name, "");
    if (!number || *number > std::numeric_limits<std::uint32_t>::max()) continue;
    const std::string path = segment_path(directory, *number);
    const auto scanned = scan_segment(files, path, static_cast<std::uint32_t>(*number), images);
    if (!scanned) faults.error(path, scanned.error());
  }
  const auto order = [](const ImagePlace& place) {
    return std::tuple(place.id, place.next_lsn, place.birth);
  };
  std::ranges::sort(images.whole, {}, order);
  std::ranges::sort(images.torn, {}, order);
  return images;
}

ScannedImages images_within(const ScannedImages& images, const Manifest& manifest) {
  const auto is_within = [&](const ImagePlace& place) {
    const auto segment =
        std::ranges::lower_bound(manifest.segments, place.segment, {}, &SegmentInfo::number);
    return segment != manifest.segments.end() && segment->number == place.segment &&
           place.offset + place.stored_bytes <= segment->bytes;
  };
  ScannedImages within;
  std::ranges::copy_if(images.whole, std::back_inserter(within.whole), is_within);
  std::ranges::copy_if(images.torn, std::back_inserter(within.torn), is_within);
  return within;
}

}  // namespace xtree::persistence
