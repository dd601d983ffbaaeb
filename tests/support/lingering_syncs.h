// LingeringSyncs: files whose syncs are done long before they return.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/passing_file.h"
#include "xtree/platform.h"

namespace xtree::test {

// Passes every call on. What other threads write while a file's sync returns comes behind it, which
// is the worst that a disk may make of it.
class LingeringSyncs final : public FileSystem {
 public:
  LingeringSyncs(FileSystem& base, int yields) : base_(base), yields_(yields) {}

  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override {
    auto opened = base_.open(path, mode);
    if (!opened) return opened.error();
    return std::unique_ptr<File>(std::make_unique<LingeringFile>(*std::move(opened), yields_));
  }
  Result<bool> exists(std::string_view path) override { return base_.exists(path); }
  Result<std::vector<std::string>> list(std::string_view directory) override {
    return base_.list(directory);
  }
  Result<void> make_directory(std::string_view path) override {
    return base_.make_directory(path);
  }
  Result<void> remove(std::string_view path) override { return base_.remove(path); }
  Result<void> rename(std::string_view from, std::string_view to) override {
    return base_.rename(from, to);
  }
  Result<void> sync_directory(std::string_view path) override {
    return base_.sync_directory(path);
  }

 private:
  class LingeringFile final : public PassingFile {
   public:
    LingeringFile(std::unique_ptr<File> file, int yields)
        : PassingFile(std::move(file)), yields_(yields) {}

    Result<void> sync() override { return linger(PassingFile::sync()); }
    Result<void> write_durably(std::uint64_t offset, std::span<const std::byte> bytes) override {
      return linger(PassingFile::write_durably(offset, bytes));
    }

   private:
    Result<void> linger(Result<void> done) const {
      for (int i = 0; i < yields_; ++i) std::this_thread::yield();
      return done;
    }

    int yields_;
  };

  FileSystem& base_;
  int yields_;
};

}  // namespace xtree::test
