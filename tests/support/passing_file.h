// PassingFile: passes every call on to another file, for tests that override some of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "xtree/platform.h"

namespace xtree::test {

class PassingFile : public File {
 public:
  explicit PassingFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> bytes) override {
    return file_->read_at(offset, bytes);
  }
  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    return file_->write_at(offset, bytes);
  }
  Result<void> sync() override { return file_->sync(); }
  bool takes_durable_writes() noexcept override { return file_->takes_durable_writes(); }
  Result<void> write_durably(std::uint64_t offset, std::span<const std::byte> bytes) override {
    return file_->write_durably(offset, bytes);
  }
  Result<void> truncate(std::uint64_t bytes) override { return file_->truncate(bytes); }
  Result<std::uint64_t> size() override { return file_->size(); }
  Result<void> lock() override { return file_->lock(); }

 private:
  const std::unique_ptr<File> file_;
};

}  // namespace xtree::test
