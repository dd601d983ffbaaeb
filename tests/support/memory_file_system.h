// A file system in memory: quick enough for thousands of opens, and copied as easily as a map.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "support/temporary_directory.h"
#include "xtree/platform.h"

namespace xtree::test {

// Paths are plain keys; there is no working directory and no "..". Nothing is ever lost, synced or
// not. It may refuse all writing, as a file system that is mounted read-only does.
class MemoryFileSystem : public FileSystem {
 public:
  MemoryFileSystem();
  ~MemoryFileSystem() override;

  // The files below `directory`, and the reverse; as read_directory and write_directory do.
  [[nodiscard]] DirectoryImage image(const std::string& directory) const;
  void restore(const std::string& directory, const DirectoryImage& image);
  void refuse_writing(bool refuse) { refuse_writing_ = refuse; }

  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override;
  Result<bool> exists(std::string_view path) override;
  Result<std::vector<std::string>> list(std::string_view directory) override;
  Result<void> make_directory(std::string_view path) override;
  Result<void> remove(std::string_view path) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> sync_directory(std::string_view path) override;

 private:
  struct Content;
  class OpenFile;

  mutable std::mutex latch_;
  std::map<std::string, std::shared_ptr<Content>, std::less<>> files_;
  std::set<std::string, std::less<>> directories_;
  bool refuse_writing_ = false;
};

}  // namespace xtree::test
