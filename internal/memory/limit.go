// Package memory finds out how much memory this process may use: that of the machine, or
// less where a control group has a limit. It changes nothing.
package memory

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// Limit is the memory of this machine, or of this process's control groups if that is
// less, in bytes; 0: unknown. It knows the control groups of Linux, versions 1 and 2.
func Limit() uint64 { return LimitIn(os.DirFS("/")) }

// LimitIn is Limit where root is the root directory.
func LimitIn(root fs.FS) uint64 { return least(machine(root), GroupLimitIn(root)) }

// GroupLimit is the least limit of this process's control groups, in bytes; 0: none.
func GroupLimit() uint64 { return GroupLimitIn(os.DirFS("/")) }

// GroupLimitIn is GroupLimit where root is the root directory.
func GroupLimitIn(root fs.FS) uint64 {
	limit := uint64(0)
	text, _ := fs.ReadFile(root, "proc/self/cgroup") // none: there are no groups to ask
	for line := range strings.Lines(string(text)) {
		// hierarchy:controllers:path
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(fields) < 3:
		case fields[0] == "0" && fields[1] == "":
			for _, mount := range []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"} {
				limit = least(limit, upwards(root, mount, fields[2], "memory.max", "memory.high"))
			}
		case isListed(fields[1], "memory"):
			limit = least(limit, upwards(root, "sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes", "memory.soft_limit_in_bytes"))
		}
	}
	return limit
}

func isListed(list, word string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one == word {
			return true
		}
	}
	return false
}

// upwards is the least limit that the files name in a group or in one above it. A group
// may be mounted as the root of a container: then its own path does not exist there, and
// the last step reads it.
func upwards(root fs.FS, mount, group string, files ...string) uint64 {
	limit := uint64(0)
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		for _, file := range files {
			limit = least(limit, number(root, path.Join(mount, group, file)))
		}
		if group == "/" {
			return limit
		}
	}
}

// unlimited is what version 1 shows for no limit, and more than any machine has.
const unlimited = 1 << 60

// number reads a limit; 0: there is none.
func number(root fs.FS, file string) uint64 {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n >= unlimited {
		return 0 // "max"
	}
	return n
}

func machine(root fs.FS) uint64 {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	var kib uint64
	if _, err := fmt.Sscanf(string(text), "MemTotal: %d kB", &kib); err != nil {
		return 0
	}
	return kib << 10
}

// least is the lesser of two limits, of which 0 is none.
func least(a, b uint64) uint64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
