package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"thalassa/internal/safefile"
	"thalassa/lb"
)

const (
	minToken = 16      // characters of a token
	maxFile  = 1 << 20 // bytes of a token file
	prefix   = "sha256:"
)

// An entry is one line of the file: a token's hash and whose it is.
type entry struct {
	hash [sha256.Size]byte
	who  Identity
}

// A fileVersion identifies a state of a file.
type fileVersion struct {
	modified, changed int64 // ns; permissions affect changed too
	size              int64
	inode             uint64
	shared            bool // other users may read it, as it is a container's secret
}

// readFile opens, checks and parses a token file. The version is that of the file that
// was read, also if it is refused; it is zero if there is no file.
func readFile(path string) ([]entry, fileVersion, error) { return readFileIn(path, "/", true) }

// readFileIn is readFile where root is the root directory, a container's or not. A program
// that shows a token, and trusts none, may leave the owner unchecked.
func readFileIn(path, root string, checkOwner bool) ([]entry, fileVersion, error) {
	data, at, err := readSecret(path, root, checkOwner)
	if err != nil {
		return nil, at, err
	}
	entries, err := parse(path, data)
	return entries, at, err
}

// readSecret reads a file that other users must not be able to read.
func readSecret(path, root string, checkOwner bool) ([]byte, fileVersion, error) {
	f, err := safefile.Open(path)
	if err != nil {
		return nil, fileVersion{}, err // names the path
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fileVersion{}, err
	}
	at := versionOf(info)
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return nil, at, fmt.Errorf("%s: is not a regular file", path)
	case checkOwner && isForeign(info):
		return nil, at, fmt.Errorf("%s: belongs to user %d, who could write tokens of its own, expected root or user %d", path, ownerOf(info), os.Geteuid())
	case mode.Perm()&0o007 == 0:
	case isMountedSecret(f, info, root):
		at.shared = true
	default:
		return nil, at, fmt.Errorf("%s: mode %04o makes it readable by other users, expected 0600 or 0640; in a container, a file of root on a read-only mount", path, mode.Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, at, err
	case len(data) > maxFile:
		return nil, at, fmt.Errorf("%s: is larger than %d bytes", path, maxFile)
	}
	return data, at, nil
}

// isForeign reports whether a file belongs to another user than root and this program's:
// that user can write it, or give itself the right to.
func isForeign(info fs.FileInfo) bool {
	owner := ownerOf(info)
	return owner != 0 && owner != os.Geteuid()
}

// ownerOf is the user that a file belongs to.
func ownerOf(info fs.FileInfo) int {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return os.Geteuid() // not on Linux
	}
	return int(stat.Uid)
}

// statFile is the version of the file now; zero if that is not known.
func statFile(path string) fileVersion {
	info, err := os.Stat(path)
	if err != nil {
		return fileVersion{}
	}
	return versionOf(info)
}

func versionOf(info fs.FileInfo) fileVersion {
	s := fileVersion{modified: info.ModTime().UnixNano(), size: info.Size()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode, s.changed = sys.Ino, sys.Ctim.Nano()
	}
	return s
}

// parse reads the lines of a token file. Errors name file and line. They do not quote
// the line, because any word may be a token in the wrong column.
func parse(path string, data []byte) ([]entry, error) {
	var entries []entry
	seen := map[[sha256.Size]byte]int{} // hash → line
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		e, err := parseLine(text)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if first, twice := seen[e.hash]; twice {
			return nil, fmt.Errorf("%s:%d: has the same token as line %d", path, n, first)
		}
		seen[e.hash] = n
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%s: has no token, expected lines of ROLE NAME TOKEN; to revoke all tokens, leave one line with a new token", path)
	}
	return entries, nil
}

func parseLine(text string) (entry, error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return entry{}, fmt.Errorf("has %d words, expected ROLE NAME TOKEN", len(fields))
	}
	role, err := ParseRole(fields[0])
	if err != nil {
		return entry{}, err
	}
	if _, err := lb.ParseName(fields[1]); err != nil {
		return entry{}, errors.New("the name is not valid, expected 1 to 128 characters out of A-Z a-z 0-9 _ . : -")
	}
	hash, err := parseToken(fields[2])
	return entry{hash: hash, who: Identity{Name: fields[1], Grant: Grant{Role: role}}}, err
}

// parseToken accepts a token or, with the prefix, the hash of one.
func parseToken(s string) (hash [sha256.Size]byte, err error) {
	if digits, ok := strings.CutPrefix(s, prefix); ok {
		if raw, err := hex.DecodeString(digits); err == nil && copy(hash[:], raw) == len(raw) && len(raw) == len(hash) {
			return hash, nil
		}
		return hash, fmt.Errorf("%s is not followed by the 64 hexadecimal digits of a SHA-256", prefix)
	}
	if len(s) < minToken {
		return hash, fmt.Errorf("the token is shorter than %d characters", minToken)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return hash, errors.New("the token has a character that an Authorization header cannot have, expected printable ASCII")
	}
	return sha256.Sum256([]byte(s)), nil
}
