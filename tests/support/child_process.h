// A piece of the test that runs in a process of its own, so that it can be killed.
#pragma once

#include <sys/types.h>

#include <functional>

namespace xtree::test {

// Forks at its making; the child runs `body(report)` and leaves with its result as exit code. What
// the child writes to the descriptor `report` comes out of `report()` here. Only a process without
// threads of its own may make one, as the child has none of them: the making checks that.
class ChildProcess {
 public:
  // The child is ended with SIGALRM after `seconds`.
  ChildProcess(unsigned seconds, const std::function<int(int report)>& body);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  [[nodiscard]] int report() const { return report_; }
  void kill();
  // Waits for the end and returns waitpid's status.
  int wait();
  // Waits for the end and returns the exit code, or -1 when a signal ended the child.
  int exit_code();

 private:
  pid_t pid_ = -1;
  int report_ = -1;
  int status_ = 0;
};

// Writes or reads a whole object; false at the end of the pipe.
bool write_whole(int descriptor, const void* bytes, std::size_t size);
bool read_whole(int descriptor, void* bytes, std::size_t size);

}  // namespace xtree::test
