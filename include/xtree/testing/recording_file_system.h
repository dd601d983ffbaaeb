// RecordingFileSystem: real files whose every change is written down, until the power fails.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "xtree/config.h"
#include "xtree/platform.h"
#include "xtree/testing/disk_image.h"
#include "xtree/testing/simulated_file_system.h"

namespace xtree::testing {

// Passes calls on to another file system, below a directory there, and records those that change
// something or promise that changes will last, in the order in which they took effect. After a
// number of them the power fails: no call does anything from then on. What a CrashModel makes of
// the trace is what the disk may hold then. Syncs are recorded and not passed on, as the model
// decides what they make durable, and the real ones would only take time.
//
//   RecordingFileSystem files(posix_file_system(), "/tmp/crash", image);  // `image` is there
//   files.cut_after(100);
//   options.file_system = &files;
//   ... Database::open("db", options), and any threads that use it, until they fail
//   CrashModel model(image);
//   for (const Event& event : files.trace().events) model.apply(event);
//
// Any thread may call anything; calls are made one after the other, so that the record's order is
// that of the disk. It outlives the files that it opened.
class XTREE_EXPORT RecordingFileSystem final : public FileSystem {
 public:
  // `root` holds what `image` says; paths of calls and in the trace are below it.
  RecordingFileSystem(FileSystem& base, std::string root, const DiskImage& image);
  ~RecordingFileSystem() override;

  // The power fails before the change behind the next `events` ones.
  void cut_after(std::uint64_t events);
  [[nodiscard]] bool has_power() const;
  // For when no thread uses the file system any more.
  [[nodiscard]] const Trace& trace() const noexcept { return trace_; }

  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override;
  Result<bool> exists(std::string_view path) override;
  Result<std::vector<std::string>> list(std::string_view directory) override;
  Result<void> make_directory(std::string_view path) override;
  // Removes files only.
  Result<void> remove(std::string_view path) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> sync_directory(std::string_view path) override;

 private:
  friend class RecordingFile;

  // An error when there is no power, or when this change is the one before which it fails.
  Result<void> arrive_locked(bool changes);
  void record_locked(Event event) { trace_.events.push_back(std::move(event)); }
  [[nodiscard]] std::string below(std::string_view path) const;

  FileSystem& base_;
  const std::string root_;
  mutable std::mutex mutex_;
  std::map<std::string, std::uint32_t, std::less<>> numbers_;  // of files and directories, by path
  Trace trace_;
  std::uint64_t events_left_ = UINT64_MAX;
  bool has_power_ = true;
};

// Makes the directory hold what the image says and nothing else, which is not synced.
XTREE_EXPORT Result<void> materialise(const DiskImage& image, const std::string& directory);

}  // namespace xtree::testing
