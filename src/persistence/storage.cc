#include "persistence/storage.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "persistence/committed_file.h"
#include "platform/check.h"
#include "platform/plant.h"

namespace xtree::persistence {

namespace {

std::string parent_of(std::string_view directory) {
  while (directory.size() > 1 && directory.ends_with('/')) directory.remove_suffix(1);
  const std::size_t slash = directory.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(directory.substr(0, slash == 0 ? 1 : slash));
}

bool names_segment(const Manifest& manifest, std::uint64_t number) {
  return std::ranges::binary_search(manifest.segments, number, {}, &SegmentInfo::number);
}

bool names_table(const Manifest& manifest, std::uint64_t number) {
  return std::ranges::binary_search(manifest.table_files, number, {}, &TableFileInfo::number);
}

bool is_generation(const Manifest& manifest, std::uint64_t number) {
  return manifest.checkpoint.generation == number;
}

// A base costs as much as it is large, so deltas may first grow to half of it.
bool should_fold(const std::vector<TableFileInfo>& table_files, std::size_t changes) {
  if (table_files.empty() || table_files.size() == kMaxTableFiles) return true;
  std::uint64_t entries = changes;
  for (std::size_t i = 1; i < table_files.size(); ++i) entries += table_files[i].entries;
  return entries > table_files.front().entries / 2;
}

}  // namespace

Storage::Storage(Private, FileSystem& files, std::string directory, bool writable)
    : files_(files),
      directory_(std::move(directory)),
      writable_(writable),
      pacer_(files),
      segments_(files, directory_, pacer_),
      writer_(segments_, allocator_) {}

Result<std::unique_ptr<Storage>> Storage::create(FileSystem& files, std::string directory) {
  XTREE_TRY(files.make_directory(directory));
  const auto exists = files.exists(directory + "/superblock");
  if (!exists) return exists.error();
  if (*exists) {
    return Error(ErrorCode::already_exists, directory.c_str(), "there is a database already");
  }
  // A process that died may have made the directory without syncing its parent.
  if (!platform::planted(platform::Plant::parent_not_synced)) {
    XTREE_TRY(files.sync_directory(parent_of(directory)));
  }
  for (const std::string_view part : {kSegmentsDirectory, kTableDirectory}) {
    XTREE_TRY(files.make_directory(std::string(directory).append(part)));
  }
  auto storage = std::make_unique<Storage>(Private(), files, std::move(directory), true);
  storage->manifest_.checkpoint.generation = 1;
  const auto superblock = storage->write_manifest(storage->manifest_);
  if (!superblock) return superblock.error();
  storage->superblock_ = *superblock;
  XTREE_TRY(storage->confirm_superblock(std::nullopt));
  return storage;
}

Result<std::unique_ptr<Storage>> Storage::open(FileSystem& files, std::string directory,
                                               bool writable) {
  auto storage = std::make_unique<Storage>(Private(), files, std::move(directory), writable);
  OpenReport& report = storage->open_report_;
  platform::Stopwatch watch;
  const auto superblocks = read_superblocks(files, storage->directory_);
  if (!superblocks) return superblocks.error();
  watch.lap(report.superblock_us);
  XTREE_TRY(storage->load(*superblocks, watch));
  if (!writable) return storage;
  const bool older_is_whole = storage->older_manifest_.has_value();
  XTREE_TRY(storage->confirm_superblock(older_is_whole ? superblocks->older : std::nullopt));
  watch.lap(report.confirm_us);
  storage->remove_orphans();
  watch.lap(report.clean_up_us);
  return storage;
}

Result<void> Storage::load(const Superblocks& superblocks, platform::Stopwatch& watch) {
  superblock_ = superblocks.newest;
  auto manifest = read_manifest(files_, directory_, superblock_);
  if (!manifest) return manifest.error();
  manifest_ = std::move(*manifest);
  watch.lap(open_report_.manifest_us);
  auto table = read_table(manifest_);
  if (!table) return table.error();
  table_ = std::move(*table);
  open_report_.table_entries = table_.size();
  watch.lap(open_report_.table_us);
  XTREE_TRY(load_allocator());
  open_report_.segments = manifest_.segments.size();
  watch.lap(open_report_.segments_us);
  if (writable_ && superblocks.older) XTREE_TRY(load_older(*superblocks.older));
  watch.lap(open_report_.table_us);
  count_bytes();
  return {};
}

// Builds the allocator's state from the table: what is not referred to is garbage.
Result<void> Storage::load_allocator() {
  if (!platform::planted(platform::Plant::segment_numbers_forgotten)) {
    allocator_.set_next_segment(manifest_.next_segment);
  }
  for (const SegmentInfo& info : manifest_.segments) {
    if (!allocator_.add(info)) {
      return corruption(manifest_path(directory_, superblock_.generation), -1,
                        "a segment in the list is impossible");
    }
  }
  for (const TableEntry& entry : table_) {
    if (platform::planted(platform::Plant::allocator_forgets)) break;
    if (entry.address && !allocator_.take(entry.address, entry.stored_bytes())) {
      return corruption(segments_.path(entry.address.segment),
                        static_cast<std::int64_t>(entry.address.offset()),
                        "the table refers to a place where there can be no image");
    }
  }
  allocator_.commit();
  return {};
}

// The older checkpoint stands in for the newest one, which is whole; so an older one that is
// damaged is of no use to anybody, and is left alone. Its images need no look: those in segments of
// the newest one lie before the ends that this one states, and nothing is written there.
Result<void> Storage::load_older(const Superblock& older) {
  auto manifest = read_manifest(files_, directory_, older);
  Result<void> whole = manifest ? Result<void>() : Result<void>(manifest.error());
  std::vector<TableEntry> entries;
  for (std::size_t i = 0; whole && i < manifest->table_files.size(); ++i) {
    const TableFileInfo& info = manifest->table_files[i];
    if (names_table(manifest_, info.number)) continue;  // it has been read
    whole = read_table_file(files_, table_path(directory_, info.number), info, entries);
  }
  if (whole) {
    older_manifest_ = std::move(*manifest);
  } else if (whole.error().code() != ErrorCode::corruption) {
    return whole;
  }
  return {};
}

Result<std::vector<TableEntry>> Storage::read_table(const Manifest& manifest) const {
  std::vector<TableEntry> table;
  std::vector<TableEntry> delta;
  for (const TableFileInfo& info : manifest.table_files) {
    const bool is_base = &info == &manifest.table_files.front();
    XTREE_TRY(read_table_file(files_, table_path(directory_, info.number), info,
                              is_base ? table : delta));
    if (!is_base) merge_table(table, delta);
  }
  return table;
}

// What crashed and failed checkpoints left behind. A file that cannot be removed now does no harm:
// its number is written from scratch if it is used again, and the next open tries again.
void Storage::remove_orphans() {
  remove_orphans_in(directory_, kManifestPrefix, is_generation);
  remove_orphans_in(std::string(directory_).append(kSegmentsDirectory), "", names_segment);
  remove_orphans_in(std::string(directory_).append(kTableDirectory), "", names_table);
}

void Storage::remove_orphans_in(const std::string& directory, std::string_view prefix,
                                bool (*is_named)(const Manifest&, std::uint64_t)) {
  const auto names = files_.list(directory);
  if (!names) return;
  for (const std::string& name : *names) {
    const auto number = number_in_name(name, prefix);
    if (!number || is_named(manifest_, *number) ||
        (older_manifest_ && is_named(*older_manifest_, *number))) {
      continue;
    }
    static_cast<void>(files_.remove(directory + "/" + name));
  }
}

std::uint64_t Storage::oldest_needed_log_file() const noexcept {
  const std::uint64_t newest = manifest_.checkpoint.log_file;
  return older_manifest_ ? std::min(newest, older_manifest_->checkpoint.log_file) : newest;
}

Result<void> Storage::read(const TableEntry& entry, std::span<std::byte> image) const {
  XTREE_CHECK(entry.address && is_valid(entry) && image.size() == entry.bytes);
  XTREE_TRY(read_stored(entry, image.first(entry.stored_bytes())));
  const Result<void> unpacked = unpack(image);
  if (unpacked || unpacked.error().code() != ErrorCode::corruption) return unpacked;
  return corruption(segments_.path(entry.address.segment),
                    static_cast<std::int64_t>(entry.address.offset()), kUnpackable);
}

// The image as it lies there.
Result<void> Storage::read_stored(const TableEntry& entry, std::span<std::byte> stored) const {
  XTREE_TRY(segments_.read(entry.address, stored));
  const char* wrong = what_is_wrong(entry.id, entry.bytes, entry.checksum, stored);
  if (wrong == nullptr) return {};
  return corruption(segments_.path(entry.address.segment),
                    static_cast<std::int64_t>(entry.address.offset()), wrong);
}

void Storage::read_many(std::span<ImageRead> reads) const {
  for (const ImageRead& read : reads) XTREE_CHECK(read.entry.address && is_valid(read.entry));
  segments_.read_many(reads);
  for (ImageRead& read : reads) {
    const TableEntry& entry = read.entry;
    read.done = read.done &&
                what_is_wrong(entry.id, entry.bytes, entry.checksum, read.stored()) == nullptr &&
                unpack(read.bytes());
  }
}

Result<void> Storage::require_writable() const {
  if (!writable_) {
    return Error(ErrorCode::read_only, directory_.c_str(), "the database was opened for reading");
  }
  if (poisoned()) {
    return Error(ErrorCode::poisoned, directory_.c_str(),
                 "an earlier checkpoint failed to reach the disk; reopen the database");
  }
  return {};
}

Result<void> Storage::poison_on_failure(Result<void> result) {
  if (!result) poisoned_ = true;
  return result;
}

Result<SegmentWriter::Place> Storage::place(std::size_t bytes, Heat heat) {
  XTREE_TRY(require_writable());
  if (segments_.unsynced() == SegmentFiles::kMaxOpenFiles) {
    XTREE_TRY(poison_on_failure(segments_.sync()));
  }
  auto place = writer_.place(bytes, heat);
  if (!place) return place;
  if (!place->address) {
    return Error(ErrorCode::limit_exceeded, directory_.c_str(), "there are too many segments");
  }
  ++images_written_;
  return place;
}

Result<TableEntry> Storage::write(NodeId id, std::span<const std::byte> image,
                                  std::uint64_t next_lsn, Compression compression) {
  XTREE_CHECK(id && image.size() >= kFrameAlignment && image.size() % kFrameAlignment == 0 &&
              image.size() <= kMaxFrameBytes);
  const FrameHeader header = stored_header(image, next_lsn);
  XTREE_CHECK(header.node_id == id.bits && header.bytes == image.size());
  if (compression != Compression::none) {
    scratch_.resize(image.size());
    std::memcpy(scratch_.data(), &header, sizeof header);
    std::ranges::copy(image.subspan(sizeof header), scratch_.begin() + sizeof header);
    const std::span packed = packer_.pack(scratch_, compression);
    if (!packed.empty()) return write_packed(id, header.bytes, packed);
  }
  const auto place = this->place(image.size(), Heat::fresh);
  if (!place) return place.error();
  const std::uint32_t checksum = store_image(image, next_lsn, place->room.data());
  return TableEntry{id, place->address, checksum, header.bytes};
}

// The buffer of the writer is emptied first, as the images go behind what it has collected.
Result<void> Storage::write_all(std::span<const NewImage> images, std::uint64_t next_lsn,
                                platform::Workers& workers) {
  XTREE_TRY(require_writable());
  XTREE_TRY(writer_.flush());
  SegmentBatch batch(segments_, allocator_, workers, next_lsn);
  while (!images.empty()) {
    if (segments_.unsynced() == SegmentFiles::kMaxOpenFiles) {
      XTREE_TRY(poison_on_failure(segments_.sync()));
    }
    const auto written = batch.write(images);
    if (batch.has_lost()) poisoned_ = true;
    if (!written) return written.error();
    images_written_ += *written;
    images = images.subspan(*written);
  }
  batch_bytes_ += batch.written_bytes();
  return {};
}

Result<TableEntry> Storage::write_packed(NodeId id, std::uint32_t bytes,
                                         std::span<std::byte> packed) {
  const auto place = this->place(packed.size(), Heat::fresh);
  if (!place) return place.error();
  TableEntry entry{id, place->address, seal_image(packed), bytes};
  entry.address.set_packed_bytes(packed.size());
  std::ranges::copy(packed, place->room.begin());
  return entry;
}

Result<TableEntry> Storage::move(const TableEntry& entry) {
  scratch_.resize(entry.stored_bytes());
  if (!read_stored(entry, scratch_)) return entry;
  const auto place = this->place(scratch_.size(), Heat::settled);
  if (!place) return place.error();
  std::ranges::copy(scratch_, place->room.begin());
  release(entry);
  TableEntry moved = entry;
  moved.address = place->address;
  moved.address.set_packed_bytes(entry.address.packed_bytes());
  return moved;
}

void Storage::release(const TableEntry& old) {
  if (platform::planted(platform::Plant::allocator_forgets)) return;
  if (old.address) allocator_.release(old.address, old.stored_bytes());
}

// The files of the abandoned checkpoint take room that the next attempt may need. When a sync has
// failed, nobody knows whether the flip has reached the disk, and they stay.
void Storage::abandon() {
  writer_.discard();
  images_written_ = 0;
  for (const std::uint32_t number : allocator_.abandon()) {
    if (!poisoned()) static_cast<void>(segments_.remove(number));
  }
}

Result<void> Storage::commit(const Checkpoint& next, std::span<const TableEntry> changes) {
  XTREE_TRY(require_writable());
  check_changes(changes);
  XTREE_TRY(sync_segments());
  Manifest manifest;
  manifest.checkpoint = next;
  manifest.checkpoint.generation = superblock_.generation + 1;
  manifest.next_table = manifest_.next_table;
  XTREE_TRY(write_table(manifest, changes));
  const auto superblock = write_manifest(manifest);
  if (!superblock) return superblock.error();
  XTREE_TRY(poison_on_failure(flip_superblock(files_, directory_, *superblock)));
  finish(std::move(manifest), *superblock);
  return {};
}

void Storage::check_changes(std::span<const TableEntry> changes) const {
  std::size_t live = 0;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    XTREE_CHECK(is_valid(changes[i]));
    XTREE_CHECK(i == 0 || changes[i - 1].id.handle() < changes[i].id.handle());
    if (changes[i].address) ++live;
  }
  XTREE_CHECK(live == images_written_);
}

Result<void> Storage::sync_segments() {
  XTREE_TRY(writer_.flush());
  written_bytes_.store(writer_.written_bytes() + batch_bytes_, std::memory_order_relaxed);
  XTREE_TRY(poison_on_failure(segments_.sync()));
  if (platform::planted(platform::Plant::segments_gone_before_flip)) {
    for (const SegmentUse& use : allocator_.uses()) {
      if (use.live_bytes == 0) static_cast<void>(segments_.remove(use.number));
    }
  }
  if (allocator_.next_segment() == manifest_.next_segment) return {};
  if (platform::planted(platform::Plant::segments_directory_not_synced)) return {};
  return poison_on_failure(
      files_.sync_directory(std::string(directory_).append(kSegmentsDirectory)));
}

// The table files of the next checkpoint: those of the newest one and a delta, or all of it anew.
Result<void> Storage::write_table(Manifest& next, std::span<const TableEntry> changes) {
  next.table_files = manifest_.table_files;
  if (changes.empty()) return {};
  std::vector<TableEntry> base;
  if (should_fold(manifest_.table_files, changes.size())) {
    auto table = read_table(manifest_);
    if (!table) return table.error();
    base = std::move(*table);
    merge_table(base, changes);
    changes = base;
    next.table_files.clear();
  }
  auto file = open_new(files_, table_path(directory_, next.next_table));
  if (!file) return file.error();
  const auto info = write_table_file(**file, next.next_table, changes, pacer_);
  if (!info) return info.error();
  if (!platform::planted(platform::Plant::table_not_synced)) {
    XTREE_TRY(poison_on_failure((*file)->sync()));
  }
  next.table_files.push_back(*info);
  ++next.next_table;
  if (platform::planted(platform::Plant::table_directory_not_synced)) return {};
  return poison_on_failure(
      files_.sync_directory(std::string(directory_).append(kTableDirectory)));
}

Result<Superblock> Storage::write_manifest(Manifest& next) {
  next.segments = allocator_.segments();
  next.next_segment = allocator_.next_segment();
  Superblock superblock;
  const std::vector<std::byte> bytes = encode_manifest(next, superblock);
  auto file = open_new(files_, manifest_path(directory_, superblock.generation));
  if (!file) return file.error();
  XTREE_TRY((*file)->write_at(0, bytes));
  if (!platform::planted(platform::Plant::manifest_not_synced)) {
    XTREE_TRY(poison_on_failure((*file)->sync()));
  }
  if (platform::planted(platform::Plant::manifest_directory_not_synced)) return superblock;
  XTREE_TRY(poison_on_failure(files_.sync_directory(directory_)));
  return superblock;
}

// What an open shows must last. The newest slot may have been read from the system's cache, left
// there by a process that died or whose sync failed, while the disk still has the slot's former
// contents, or not even the file. To sync the file would not do: if an earlier sync of it had
// failed, the system takes its pages for clean. Writing the slot again in its place would put it at
// risk. So the whole file is replaced.
Result<void> Storage::confirm_superblock(const std::optional<Superblock>& older) {
  if (platform::planted(platform::Plant::superblock_not_confirmed) && !table_.empty()) return {};
  auto copy = write_superblock_copy(files_, directory_, superblock_, older);
  if (!copy) return copy.error();
  return poison_on_failure(install_superblock_copy(files_, directory_, **copy));
}

// The flip is done: `next` is the newest checkpoint, and what only the one two before it needed is
// not needed any more.
void Storage::finish(Manifest next, const Superblock& superblock) {
  allocator_.commit();
  images_written_ = 0;
  if (older_manifest_) remove_files_of(*older_manifest_);
  older_manifest_ = std::move(manifest_);
  superblock_ = superblock;
  manifest_ = std::move(next);
  count_bytes();
}

// Removes what `old` refers to and `manifest_`, the one after it, does not; numbers do not come
// back. What cannot be removed is an orphan for the next open.
void Storage::remove_files_of(const Manifest& old) {
  for (const SegmentInfo& info : old.segments) {
    if (!names_segment(manifest_, info.number)) {
      static_cast<void>(segments_.remove(info.number));
    }
  }
  for (const TableFileInfo& info : old.table_files) {
    if (!names_table(manifest_, info.number)) {
      static_cast<void>(pacer_.remove(table_path(directory_, info.number)));
    }
  }
  static_cast<void>(files_.remove(manifest_path(directory_, old.checkpoint.generation)));
}

void Storage::count_bytes() noexcept {
  segment_bytes_.store(allocator_.segment_bytes(), std::memory_order_relaxed);
  live_bytes_.store(allocator_.live_bytes(), std::memory_order_relaxed);
}

Result<void> Storage::verify() const {
  const auto table = read_table(manifest_);
  if (!table) return table.error();
  std::vector<std::byte> image;
  for (const TableEntry& entry : *table) {
    if (!entry.address) continue;
    image.resize(entry.bytes);
    XTREE_TRY(read(entry, image));
  }
  return {};
}

}  // namespace xtree::persistence
