#include "tests/catch.hpp"

int main(int argc, char** argv) { return grit::test::run_tests(argc, argv); }
