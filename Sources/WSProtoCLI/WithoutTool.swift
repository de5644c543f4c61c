// SPDX-License-Identifier: Apache-2.0

#if !Tool
/// A package that depends on this one builds the target also where the trait is off.
@main
enum Main {
  static func main() {
    print("wsproto was built without the trait Tool")
  }
}
#endif
