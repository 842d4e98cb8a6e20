package cli

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"thalassa/auth"
)

// agentUser is the user that the agent with this database will run as: for root, who may
// check for another user, the owner of the database's directory, if it exists.
func agentUser(database string) auth.Reader {
	uid := os.Geteuid()
	if info, err := os.Stat(filepath.Dir(database)); err == nil && uid == 0 {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			uid = int(owner.Uid)
		}
	}
	as := auth.Reader{UID: uid}
	var names []string
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		names, _ = u.GroupIds() // without them the owner and mode of a file decide
	}
	for _, name := range names {
		if gid, err := strconv.Atoi(name); err == nil {
			as.GIDs = append(as.GIDs, gid)
		}
	}
	return as
}
