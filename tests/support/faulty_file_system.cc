#include "support/faulty_file_system.h"

#include <span>
#include <utility>

#include "platform/check.h"

namespace xtree::test {

class FaultyFile final : public File {
 public:
  FaultyFile(FaultyFileSystem& owner, std::unique_ptr<File> base) noexcept
      : owner_(owner), base_(std::move(base)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> bytes) override {
    XTREE_TRY(owner_.arrive(Call::read));
    return base_->read_at(offset, bytes);
  }
  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    const auto arrived = owner_.arrive(Call::write);
    if (arrived) return base_->write_at(offset, bytes);
    XTREE_TRY(base_->write_at(offset, bytes.first(bytes.size() / 2)));
    return arrived;
  }
  Result<void> sync() override {
    XTREE_TRY(owner_.arrive(Call::sync));
    return base_->sync();
  }
  Result<void> truncate(std::uint64_t bytes) override {
    XTREE_TRY(owner_.arrive(Call::truncate));
    return base_->truncate(bytes);
  }
  Result<std::uint64_t> size() override {
    XTREE_TRY(owner_.arrive(Call::size));
    return base_->size();
  }
  Result<void> lock() override {
    XTREE_TRY(owner_.arrive(Call::lock));
    return base_->lock();
  }

 private:
  FaultyFileSystem& owner_;
  std::unique_ptr<File> base_;
};

void FaultyFileSystem::fail(Call kind, std::uint64_t nth, const Error& error, Failure failure) {
  XTREE_CHECK(nth > 0);
  const std::lock_guard lock(mutex_);
  Plan& plan = plans_[static_cast<std::size_t>(kind)];
  plan.failing_call = plan.calls + nth;
  plan.failure = failure;
  plan.error = error;
}

void FaultyFileSystem::heal() {
  const std::lock_guard lock(mutex_);
  for (Plan& plan : plans_) plan.failing_call = 0;
}

std::uint64_t FaultyFileSystem::count(Call kind) const {
  const std::lock_guard lock(mutex_);
  return plans_[static_cast<std::size_t>(kind)].calls;
}

Result<void> FaultyFileSystem::arrive(Call kind) {
  const std::lock_guard lock(mutex_);
  Plan& plan = plans_[static_cast<std::size_t>(kind)];
  ++plan.calls;
  if (plan.failing_call == 0 || plan.calls < plan.failing_call) return {};
  if (plan.failure == Failure::once) plan.failing_call = 0;
  return *plan.error;
}

Result<std::unique_ptr<File>> FaultyFileSystem::open(std::string_view path, OpenMode mode) {
  XTREE_TRY(arrive(Call::open));
  auto opened = base_.open(path, mode);
  if (!opened) return opened.error();
  return std::unique_ptr<File>(std::make_unique<FaultyFile>(*this, *std::move(opened)));
}

Result<bool> FaultyFileSystem::exists(std::string_view path) {
  XTREE_TRY(arrive(Call::exists));
  return base_.exists(path);
}

Result<std::vector<std::string>> FaultyFileSystem::list(std::string_view directory) {
  XTREE_TRY(arrive(Call::list));
  return base_.list(directory);
}

Result<void> FaultyFileSystem::make_directory(std::string_view path) {
  XTREE_TRY(arrive(Call::make_directory));
  return base_.make_directory(path);
}

Result<void> FaultyFileSystem::remove(std::string_view path) {
  XTREE_TRY(arrive(Call::remove));
  return base_.remove(path);
}

Result<void> FaultyFileSystem::rename(std::string_view from, std::string_view to) {
  XTREE_TRY(arrive(Call::rename));
  return base_.rename(from, to);
}

Result<void> FaultyFileSystem::sync_directory(std::string_view path) {
  XTREE_TRY(arrive(Call::sync_directory));
  return base_.sync_directory(path);
}

}  // namespace xtree::test
