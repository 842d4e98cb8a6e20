// Package imports turns a hand-written haproxy.cfg into edits of frontends, backends and raw
// sections, and reports what became of each line. What it cannot carry over so that HAProxy
// behaves the same, it refuses and names the lines.
//
// The package is pure: it reads no files but the text that it is given, and changes nothing.
// The edits go the way of all others, which has HAProxy check them.
package imports
