package haproxy

import (
	"os"
	"path/filepath"
	"syscall"
)

// Owners are the users to whom a configuration and its folder belong, in this order, as
// far as they are there: each may put another file in its place.
func Owners(configPath string) []User {
	var out []User
	for _, path := range []string{configPath, filepath.Dir(configPath)} {
		info, err := os.Lstat(path) // a link is its maker's, whatever it leads to
		if err != nil {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			out = append(out, User{UID: stat.Uid, GID: stat.Gid})
		}
	}
	return out
}
