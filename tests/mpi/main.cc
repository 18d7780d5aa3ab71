#include <cstdio>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "dist/runtime/log.h"
#include "tests/mpi/world.h"

namespace tutti::test {
namespace {

Communicator* the_world = nullptr;

// What ranks other than 0 print: failures only, one write each, so that lines do not mix.
class FailurePrinter : public testing::EmptyTestEventListener {
 public:
  void OnTestStart(const testing::TestInfo& test) override {
    name_ = std::string(test.test_suite_name()) + "." + test.name();
  }
  // GoogleTest holds its lock here: ask it nothing.
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    const std::string text = "[rank " + std::to_string(world().rank()) + "] " + name_ + ": " +
                             (result.file_name() == nullptr ? "" : result.file_name()) + ":" +
                             std::to_string(result.line_number()) + ": " + result.message() + "\n";
    std::fputs(text.c_str(), stderr);
  }

 private:
  std::string name_;
};

}  // namespace

Communicator& world() {
  return *the_world;
}

}  // namespace tutti::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto world = tutti::make_mpi_communicator();
  tutti::test::the_world = world.get();
  tutti::log::init(world->rank(), world->size());
  if (!world->is_root()) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new tutti::test::FailurePrinter);
  }
  const int failed = RUN_ALL_TESTS();
  return world->max(failed) == 0 ? 0 : 1;
}
