#include "support/child_process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "support/random.h"
#include "support/temporary_directory.h"

namespace xtree::test {

ChildProcess::ChildProcess(unsigned seconds, const std::function<int(int report)>& body) {
  // The thread sanitizer keeps a thread of its own.
  if (!kSanitized) {
    EXPECT_EQ(running_threads(), 1u) << "fork needs a process without threads";
  }
  int ends[2];
  if (pipe(ends) != 0) {
    ADD_FAILURE() << "no pipe";
    return;
  }
  std::fflush(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    close(ends[0]);
    alarm(seconds);
    const int code = body(ends[1]);
    std::fflush(nullptr);
    _exit(code);
  }
  close(ends[1]);
  report_ = ends[0];
  if (pid_ < 0) ADD_FAILURE() << "no fork";
}

ChildProcess::~ChildProcess() {
  kill();
  wait();
  if (report_ >= 0) close(report_);
}

void ChildProcess::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

int ChildProcess::wait() {
  while (pid_ > 0) {
    if (waitpid(pid_, &status_, 0) == pid_ || errno != EINTR) pid_ = -1;
  }
  return status_;
}

int ChildProcess::exit_code() {
  const int status = wait();
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool write_whole(int descriptor, const void* bytes, std::size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size != 0) {
    const ssize_t done = write(descriptor, at, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += done;
    size -= static_cast<std::size_t>(done);
  }
  return true;
}

bool read_whole(int descriptor, void* bytes, std::size_t size) {
  char* at = static_cast<char*>(bytes);
  while (size != 0) {
    const ssize_t done = read(descriptor, at, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += done;
    size -= static_cast<std::size_t>(done);
  }
  return true;
}

}  // namespace xtree::test
