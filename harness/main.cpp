#include "harness/cli/cli.hpp"

int main(int argc, char** argv) { return grit::cli_main(argc, argv); }
