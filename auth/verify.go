package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// A Reader is a user who must be able to read token and access files.
type Reader struct {
	UID  int
	GIDs []int // of all its groups
}

// VerifyTokens reads a token file like Open, and checks its owner and mode as for a program that
// runs as that user.
func VerifyTokens(path string, as Reader) error {
	_, _, err := readFileIn(path, "/", false)
	return errors.Join(err, as.mayTrust(path))
}

// VerifyAccess is VerifyTokens for an access file, with OpenAccess, and for the secret that
// it names.
func VerifyAccess(path string, as Reader) error {
	data, _, err := readSecret(path, "/", false)
	if err != nil {
		return err
	}
	list, err := parseAccess(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return errors.Join(as.mayTrust(path), list.OIDC.verify(as))
}

// VerifyClusterKey is VerifyTokens for ReadClusterKey.
func VerifyClusterKey(path string, as Reader) error {
	data, _, err := readSecret(path, "/", false)
	if err != nil {
		return err
	}
	_, err = clusterSecret(path, data)
	return errors.Join(err, as.mayTrust(path))
}

// mayTrust returns an error unless the user can read a file, and no other user but root
// can write it.
func (r Reader) mayTrust(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if owner := ownerOf(info); owner != 0 && owner != r.UID {
		return fmt.Errorf("%s: belongs to user %d, who could write tokens of its own, expected root or user %d", path, owner, r.UID)
	}
	if !r.canRead(info) {
		return fmt.Errorf("%s: mode %04o does not let user %d of the agent read it, expected that user as its owner, or its group and mode 0640", path, info.Mode().Perm(), r.UID)
	}
	return nil
}

func (r Reader) canRead(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || r.UID == 0 {
		return ok
	}
	bit := fs.FileMode(0o004)
	switch {
	case int(stat.Uid) == r.UID:
		bit = 0o400
	case slices.Contains(r.GIDs, int(stat.Gid)):
		bit = 0o040
	}
	return info.Mode().Perm()&bit != 0
}
