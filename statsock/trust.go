package statsock

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"thalassa/internal/peer"
)

// A ForeignError says that a socket belongs to a user who is not trusted: that user
// listens on it, or made it, or may replace it.
type ForeignError struct {
	Path  string // of the socket
	Owner uint32 // user id of whom it belongs to
	PID   int    // who listens; 0: not known
	// Fault is what belongs to the owner, e.g. "nobody (uid 65534) listens there
	// (process 4711)".
	Fault string
	// Trusted are the user ids that were expected.
	Trusted []uint32

	leftover bool // the socket is the owner's, and no directory on the way
}

// Error names the socket, its owner and who was expected.
func (e *ForeignError) Error() string {
	names := make([]string, len(e.Trusted))
	for i, uid := range e.Trusted {
		names[i] = account(uid)
	}
	return fmt.Sprintf("%s: %s, expected %s", e.Path, e.Fault, strings.Join(names, " or "))
}

// trust has the users whose sockets are used.
type trust []uint32

// trusting returns root, the user of this program, and others. Root and this user could replace a
// socket anyway; anybody else must be named.
func trusting(others []uint32) trust {
	t := append(trust{0, uint32(os.Geteuid())}, others...) //nolint:gosec // ids are never negative on Linux
	slices.Sort(t)
	return slices.Compact(t)
}

func (t trust) includes(uid uint32) bool { return slices.Contains(t, uid) }

// checkPeer checks which user listens at the other end. Linux records who called listen(2): the
// user that HAProxy was started as, before its workers give up their rights, also when
// a worker has the socket from the one before (HAProxy 2.6 to 3.2). The process may
// have ended since.
func (t trust) checkPeer(conn net.Conn, path string) error {
	peer, err := peer.Of(conn)
	if err != nil {
		return fmt.Errorf("%s: asking who listens: %w", path, err)
	}
	if t.includes(peer.Uid) {
		return nil
	}
	fault := account(peer.Uid) + " listens there"
	if peer.Pid != 0 {
		fault += fmt.Sprintf(" (process %d)", peer.Pid)
	}
	return &ForeignError{Path: path, Owner: peer.Uid, PID: int(peer.Pid), Fault: fault, Trusted: t}
}

// maxLinks is how many symbolic links a path may lead over, as in the kernel.
const maxLinks = 40

// checkPath follows a path as the kernel does, and checks everybody who could have replaced the
// socket: the owners of the socket, of every directory and of every symbolic link on the way. A
// directory that everybody may write to must be sticky. What does not exist, or may not be read, is
// no error here: connecting fails then.
func (t trust) checkPath(path string) error {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	at, rest, links := "/", steps(absolute), 0
	for {
		info, err := os.Lstat(at)
		if err != nil {
			return nil //nolint:nilerr // the dial meets the same
		}
		if err := t.checkOwner(path, at, info, len(rest) == 0); err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(at)
			if links++; err != nil || links > maxLinks {
				return nil //nolint:nilerr // the dial meets the same
			}
			at = filepath.Dir(at)
			if filepath.IsAbs(target) {
				at = "/"
			}
			rest = append(steps(target), rest...)
		}
		if len(rest) == 0 {
			return nil
		}
		// ".." of a link's target: the directories behind "at" have been judged.
		at, rest = filepath.Join(at, rest[0]), rest[1:]
	}
}

// steps are the elements of a path.
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// checkOwner checks the owner of one step of a path.
func (t trust) checkOwner(socket, at string, info fs.FileInfo, last bool) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	what := "its directory " + at + " "
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		what = "the symbolic link " + at + " "
	case last:
		what = "it "
	}
	var fault string
	switch mode := info.Mode(); {
	case !t.includes(stat.Uid):
		fault = what + "belongs to " + account(stat.Uid)
	case mode.IsDir() && mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0:
		fault = what + "lets everybody replace what is in it"
	default:
		return nil
	}
	return &ForeignError{Path: socket, Owner: stat.Uid, Fault: fault, Trusted: t, leftover: what == "it "}
}

// account is the text for a user: "nobody (uid 65534)", or "uid 4711" where the number
// has no name.
func account(uid uint32) string {
	number := "uid " + strconv.FormatUint(uint64(uid), 10)
	u, err := user.LookupId(number[len("uid "):])
	if err != nil {
		return number
	}
	return u.Username + " (" + number + ")"
}
