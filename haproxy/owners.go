package haproxy

import (
	"os"
	"path/filepath"
	"syscall"
)

// Owners are the owners of a configuration and of its folder, in this order, as far as
// these exist. Each may replace the file.
func Owners(configPath string) []User {
	var out []User
	for _, path := range []string{configPath, filepath.Dir(configPath)} {
		info, err := os.Lstat(path) // the owner of a link itself
		if err != nil {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			out = append(out, User{UID: stat.Uid, GID: stat.Gid})
		}
	}
	return out
}
