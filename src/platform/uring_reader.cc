// Batches of reads by io_uring.
#include <liburing.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>

#include "platform/batch_reader.h"

namespace xtree::platform {
namespace {

// The kernel reads 2 GiB at most by one request; the rest is read behind it.
constexpr std::size_t kMaxReadBytes = std::size_t{1} << 30;

// A ring, unless the kernel refuses it. It belongs to the process that made it.
class Ring {
 public:
  Ring() noexcept : process_(::getpid()) {
    open_ = ::io_uring_queue_init(kDepth, &ring_, 0) == 0;
    // Such a number is a standard stream's: a program that closed it and opens it again would
    // replace the ring.
    if (open_ && ring_.ring_fd <= STDERR_FILENO) close();
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() { close(); }

  [[nodiscard]] bool usable() const noexcept { return open_ && process_ == ::getpid(); }

  // Prepares the next read of a turn of at most kDepth. `count` is to get how many bytes it has
  // read, and is left as it is if it fails.
  void prepare(int file, std::uint64_t offset, std::span<std::byte> bytes,
               std::size_t& count) noexcept {
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    const auto size = static_cast<unsigned>(std::min(bytes.size(), kMaxReadBytes));
    ::io_uring_prep_read(entry, file, bytes.data(), size, offset);
    ::io_uring_sqe_set_data(entry, &count);
  }

  // Runs the reads that are prepared. When this returns, the kernel writes to none of their bytes
  // any more.
  void run() noexcept {
    const unsigned prepared = ::io_uring_sq_ready(&ring_);
    unsigned submitted = 0;
    while (submitted < prepared) {
      const int taken = ::io_uring_submit_and_wait(&ring_, prepared - submitted);
      if (taken == -EINTR) continue;
      if (taken <= 0) break;
      submitted += static_cast<unsigned>(taken);
    }
    for (unsigned i = 0; i < submitted; ++i) take_completion();
    // What was refused must not be submitted with the next turn.
    if (submitted < prepared) close();
  }

 private:
  void take_completion() noexcept {
    io_uring_cqe* entry = nullptr;
    // Should the kernel refuse to wait, the reads still go on and end, beside any other call.
    while (::io_uring_peek_cqe(&ring_, &entry) != 0) {
      if (::io_uring_wait_cqe(&ring_, &entry) != 0) ::sched_yield();
    }
    auto* count = static_cast<std::size_t*>(::io_uring_cqe_get_data(entry));
    if (entry->res > 0) *count = static_cast<std::size_t>(entry->res);
    ::io_uring_cqe_seen(&ring_, entry);
  }

  void close() noexcept {
    if (open_) ::io_uring_queue_exit(&ring_);
    open_ = false;
  }

  io_uring ring_{};
  const pid_t process_;
  bool open_;
};

class UringReader final : public BatchReader {
 public:
  explicit UringReader(DescriptorOf descriptor_of) noexcept : descriptor_of_(descriptor_of) {}

  void read(std::span<ReadRequest> requests) noexcept override {
    while (!requests.empty()) {
      const auto turn = requests.first(std::min(requests.size(), kDepth));
      read_turn(turn);
      requests = requests.subspan(turn.size());
    }
  }

 private:
  // A single read is quicker without a ring. What the ring did not read to its end, for whatever
  // reason, is read by the file itself: that repeats what a signal or a lack of memory ended, and
  // finds the end of the file.
  void read_turn(std::span<ReadRequest> turn) noexcept {
    if (turn.size() == 1) return finish(turn.front());
    if (!ring_) ring_.emplace();
    if (!ring_->usable()) return read_one_by_one(turn);
    std::array<std::size_t, kDepth> counts{};
    for (std::size_t i = 0; i < turn.size(); ++i) {
      ring_->prepare(descriptor_of_(*turn[i].file), turn[i].offset, turn[i].bytes, counts[i]);
    }
    ring_->run();
    for (std::size_t i = 0; i < turn.size(); ++i) finish(turn[i], counts[i]);
  }

  const DescriptorOf descriptor_of_;
  std::optional<Ring> ring_;
};

}  // namespace

std::unique_ptr<BatchReader> make_uring_reader(DescriptorOf descriptor_of) {
  return std::make_unique<UringReader>(descriptor_of);
}

}  // namespace xtree::platform
