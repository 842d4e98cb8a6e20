// Package imports turns a hand-written haproxy.cfg into edits of frontends, backends and raw
// sections, and reports for each line what it was turned into. Lines that it cannot carry over so
// that HAProxy behaves the same are refused by number.
//
// The package is pure: it reads only the text that it is given, and changes nothing. The caller
// applies the edits like any others, which includes a check by HAProxy.
package imports
