// SyncClock: tells when a database begins to sync its segments.
#pragma once

#include <xtree/platform.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

// The operating system's files, and the time of the first sync of a segment since `start`. All
// nodes have been handed over then, and what is left is the disk's work.
class SyncClock final : public xtree::FileSystem {
 public:
  void start() {
    begun_ = Clock::now();
    nanoseconds_ = 0;
  }
  // From `start` to that sync, or 0 when there was none.
  [[nodiscard]] double seconds() const { return 1e-9 * static_cast<double>(nanoseconds_.load()); }

  xtree::Result<std::unique_ptr<xtree::File>> open(std::string_view path,
                                                   xtree::OpenMode mode) override {
    auto file = base_.open(path, mode);
    if (!file) return file;
    if (path.find("/segments/") == std::string_view::npos) return file;
    return std::unique_ptr<xtree::File>(std::make_unique<TimedFile>(std::move(*file), *this));
  }
  xtree::Result<bool> exists(std::string_view path) override { return base_.exists(path); }
  xtree::Result<std::vector<std::string>> list(std::string_view directory) override {
    return base_.list(directory);
  }
  xtree::Result<void> make_directory(std::string_view path) override {
    return base_.make_directory(path);
  }
  xtree::Result<void> remove(std::string_view path) override { return base_.remove(path); }
  xtree::Result<void> rename(std::string_view from, std::string_view to) override {
    return base_.rename(from, to);
  }
  xtree::Result<void> sync_directory(std::string_view path) override {
    return base_.sync_directory(path);
  }

 private:
  using Clock = std::chrono::steady_clock;

  class TimedFile final : public xtree::File {
   public:
    TimedFile(std::unique_ptr<xtree::File> file, SyncClock& clock)
        : file_(std::move(file)), clock_(clock) {}
    xtree::Result<std::size_t> read_at(std::uint64_t offset,
                                       std::span<std::byte> bytes) override {
      return file_->read_at(offset, bytes);
    }
    void will_read(std::uint64_t offset, std::size_t bytes) noexcept override {
      file_->will_read(offset, bytes);
    }
    xtree::Result<void> write_at(std::uint64_t offset,
                                 std::span<const std::byte> bytes) override {
      return file_->write_at(offset, bytes);
    }
    xtree::Result<void> store_at(std::uint64_t offset,
                                 std::span<const std::byte> bytes) override {
      return file_->store_at(offset, bytes);
    }
    xtree::Result<void> write_back(std::uint64_t offset, std::size_t bytes) override {
      return file_->write_back(offset, bytes);
    }
    xtree::Result<void> start_write_back(std::uint64_t offset, std::size_t bytes) override {
      return file_->start_write_back(offset, bytes);
    }
    xtree::Result<void> sync() override {
      clock_.note();
      return file_->sync();
    }
    xtree::Result<void> truncate(std::uint64_t bytes) override { return file_->truncate(bytes); }
    xtree::Result<std::uint64_t> size() override { return file_->size(); }
    xtree::Result<void> lock() override { return file_->lock(); }

   private:
    const std::unique_ptr<xtree::File> file_;
    SyncClock& clock_;
  };

  void note() {
    const std::chrono::nanoseconds passed = Clock::now() - begun_;
    std::int64_t none = 0;
    nanoseconds_.compare_exchange_strong(none, passed.count());
  }

  xtree::FileSystem& base_ = xtree::posix_file_system();
  Clock::time_point begun_ = Clock::now();
  std::atomic<std::int64_t> nanoseconds_ = 0;
};

}  // namespace bench
