#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <thread>

#include "durable/store.h"

namespace bench {
namespace {

constexpr std::uint64_t kFileBytes = std::uint64_t{64} << 20;
constexpr std::size_t kBlockBytes = 4096;
constexpr std::size_t kRecordBytes = 200;

std::uint64_t checksum(const std::byte* bytes, std::size_t count) {
  std::uint64_t sum = 0xCBF29CE484222325;
  for (std::size_t i = 0; i + 8 <= count; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes + i, 8);
    sum = (sum ^ word) * 0x100000001B3;
    sum ^= sum >> 29;
  }
  return sum;
}

// In front of a group. The checksum is of all that follows it, records included.
struct GroupHeader {
  std::uint64_t sum = 0;
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;           // of the records
  std::uint64_t records_so_far = 0;  // of this group and all before it
};

// A log that is nothing else: records gather in memory, the first waiting writer that finds nobody
// leading writes all of them with one call, syncs, and wakes everybody at once. The file is written
// beforehand and used round and round. What a database costs is measured against this.
class BareLog final : public Store {
 public:
  BareLog(const std::string& directory, Promise promise) : promise_(promise) {
    const std::string path = directory + "/log";
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    require(file_ >= 0, path + ": " + std::strerror(errno));
    const off_t size = ::lseek(file_, 0, SEEK_END);
    if (size == 0) {
      const std::vector<std::byte> zeros(1 << 20);
      for (std::uint64_t at = 0; at < kFileBytes; at += zeros.size()) write(zeros, at);
      require(::fsync(file_) == 0, "sync");
    } else {
      recover();
    }
    start_group();
  }
  ~BareLog() override { ::close(file_); }

  void insert(const Item& item) override {
    std::unique_lock lock(mutex_);
    append(item);
    if (promise_ == Promise::power_loss) return await(open_number_, lock);
    put_group();
  }
  void insert_all(std::span<const Item> items) override {
    std::unique_lock lock(mutex_);
    for (const Item& item : items) append(item);
    await(open_number_, lock);
  }
  std::uint64_t submit(const Item& item) override {
    const std::lock_guard lock(mutex_);
    append(item);
    return open_number_;
  }
  void wait(std::uint64_t group) override {
    std::unique_lock lock(mutex_);
    await(group, lock);
  }
  std::uint64_t count() override { return records_; }

 private:
  void append(const Item& item) {
    const std::size_t at = open_.size();
    open_.resize(at + kRecordBytes);
    ++open_records_;
    std::memcpy(open_.data() + at, &item, sizeof item);
    ++records_;
  }

  void await(std::uint64_t group, std::unique_lock<std::mutex>& lock) {
    while (done_.load(std::memory_order_acquire) < group) {
      if (!leading_) {
        lead(lock);
      } else {
        const std::uint32_t turn = turn_.load(std::memory_order_acquire);
        lock.unlock();
        turn_.wait(turn);
        if (done_.load(std::memory_order_acquire) >= group) return;
        lock.lock();
      }
    }
  }
  void lead(std::unique_lock<std::mutex>& lock) {
    leading_ = true;
    gather(lock);
    seal();
    const std::uint64_t records = open_records_;
    std::swap(open_, writing_);
    const std::uint64_t number = open_number_;
    const std::uint64_t at = take_place(writing_.size());
    start_group();
    lock.unlock();
    write(writing_, at);
    require(::fdatasync(file_) == 0, "sync");
    lock.lock();
    leading_ = false;
    expected_ = records + open_records_;
    done_.store(number, std::memory_order_release);
    turn_.fetch_add(1, std::memory_order_release);
    turn_.notify_all();
  }
  // Lets the writers of the last group come back, as long as some do and not all have.
  void gather(std::unique_lock<std::mutex>& lock) {
    for (std::uint64_t found = 0; found < open_records_ && open_records_ < expected_;) {
      found = open_records_;
      lock.unlock();
      std::this_thread::yield();
      lock.lock();
    }
  }
  // Leaves the group to the system's cache.
  void put_group() {
    seal();
    write(open_, take_place(open_.size()));
    start_group();
  }

  void start_group() {
    ++open_number_;
    open_records_ = 0;
    open_.resize(sizeof(GroupHeader));
  }
  void seal() {
    GroupHeader header{0, open_number_, open_.size() - sizeof(GroupHeader), records_};
    open_.resize((open_.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes);
    std::memcpy(open_.data(), &header, sizeof header);
    header.sum = checksum(open_.data() + 8, sizeof header - 8 + header.bytes);
    std::memcpy(open_.data(), &header, 8);
  }
  std::uint64_t take_place(std::size_t bytes) {
    if (place_ + bytes > kFileBytes) place_ = 0;
    const std::uint64_t at = place_;
    place_ += bytes;
    return at;
  }
  void write(std::span<const std::byte> bytes, std::uint64_t at) {
    const ssize_t written = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    require(written == static_cast<ssize_t>(bytes.size()), std::strerror(errno));
  }
  // The newest whole group says how many records there were.
  void recover() {
    std::vector<std::byte> all(kFileBytes);
    require(::pread(file_, all.data(), all.size(), 0) == static_cast<ssize_t>(all.size()), "read");
    for (std::uint64_t at = 0; at + kBlockBytes <= kFileBytes; at += kBlockBytes) {
      GroupHeader header;
      std::memcpy(&header, all.data() + at, sizeof header);
      if (header.number <= open_number_ || header.bytes > kFileBytes - at - sizeof header) continue;
      if (checksum(all.data() + at + 8, sizeof header - 8 + header.bytes) != header.sum) continue;
      open_number_ = header.number;
      records_ = header.records_so_far;
      place_ = at + (sizeof header + header.bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
    }
  }

  const Promise promise_;
  int file_ = -1;
  std::mutex mutex_;
  std::vector<std::byte> open_;     // the group that is being filled
  std::vector<std::byte> writing_;  // the leader's
  std::uint64_t open_records_ = 0;
  std::uint64_t expected_ = 0;
  std::uint64_t open_number_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t place_ = 0;
  bool leading_ = false;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint32_t> turn_{0};  // of 32 bits, which the system can wait for
};

}  // namespace

std::unique_ptr<Store> open_bare_log(const std::string& directory, Promise promise) {
  return std::make_unique<BareLog>(directory, promise);
}

}  // namespace bench
