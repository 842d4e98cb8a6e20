package haproxy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"thalassa/internal/leftover"
)

// filePerm keeps what a configuration may hold (passwords of userlists) from
// other users; HAProxy reads it before it gives up its rights.
const filePerm = 0o640

// stage writes a file beside path and returns its name. The name begins with a
// dot and does not end in .cfg, so that no HAProxy that was given the folder
// (-f folder/) reads it. It belongs to whom the file at path belongs, where root
// asks on another user's behalf. On error nothing is left.
func stage(path string, content []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), leftover.StagedPrefix(path)+"*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(filePerm), chownLike(f, path), f.Close())
	return f.Name(), err
}

// configFiles are the configuration at ConfigPath and what is kept beside it.
type configFiles struct {
	cfg    *Config
	logger *slog.Logger

	mu       sync.Mutex
	intended digest // of the file that Install was given last
	inEffect digest // of the one that it, or Apply, has seen to last
}

// read reads one of our files. Root, who does so for a user that may put anything
// in its place, follows no link and reads nothing but a file that the user could
// only have made: what only root may read would get into HAProxy's log, or into the
// file of that user.
func (c *configFiles) read(path string) ([]byte, error) {
	if c.cfg.User == nil {
		return os.ReadFile(path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := c.cfg.User.checkOwner(f); err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}

// checkOwner is an error unless the user could have made a file, of which another one's
// second name is none.
func (u User) checkOwner(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() || !ok || stat.Uid != u.UID && stat.Nlink > 1 {
		return fmt.Errorf("%s: is no file of its own", f.Name())
	}
	return nil
}

// chownLike makes f belong to the owner of the file at path, if there is one and we
// are root.
func chownLike(f *os.File, path string) error {
	info, err := os.Stat(path)
	if err != nil || os.Geteuid() != 0 {
		return nil //nolint:nilerr // there is nobody to give it to
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 {
		return nil
	}
	return f.Chown(int(stat.Uid), int(stat.Gid))
}

// replace makes content the file at path, at once and for good: a reader sees
// the former file or the new one, also after a power cut. On error the former
// file is there.
func replace(path string, content []byte) error {
	name, err := stage(path, content)
	if err != nil {
		return err
	}
	err = syncPath(name)
	if err == nil {
		err = os.Rename(name, path)
	}
	if err != nil {
		_ = os.Remove(name)
		return err
	}
	return syncPath(filepath.Dir(path))
}

// syncPath makes what was written to a file, or renamed in a folder, last.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// hasContent reports whether the file at path holds content.
func hasContent(path string, content []byte) bool {
	f, err := openFile(path)
	if err != nil {
		return false
	}
	defer f.Close()
	there, err := io.ReadAll(io.LimitReader(f, int64(len(content))+1))
	return err == nil && bytes.Equal(there, content)
}

// openFile opens a file to read. A FIFO, which another user may put there, is none:
// who reads it may wait for ever.
func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: is no regular file", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// intend notes what Install was given, and returns what was in effect then.
func (c *configFiles) intend(config digest) (inEffect digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.intended = config
	return c.inEffect
}

// lastIntended is the digest of what Install was given last.
func (c *configFiles) lastIntended() digest {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.intended
}

func (c *configFiles) lastInEffect() digest {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inEffect
}

func (c *configFiles) setInEffect(config digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inEffect = config
}

// A digest tells a file from others.
type digest struct {
	size int64
	sum  [sha256.Size]byte
}

// isOf reports whether the file at path has the digest.
func (d digest) isOf(path string) bool {
	f, err := openFile(path)
	if err != nil {
		return false
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, io.LimitReader(f, d.size+1))
	return err == nil && d.sum == [sha256.Size]byte(sum.Sum(nil))
}

func digestOf(content []byte) digest {
	return digest{size: int64(len(content)), sum: sha256.Sum256(content)}
}

// mask is masked for words about the file on disk.
func (c *configFiles) mask(text string) string {
	config, err := os.ReadFile(c.cfg.ConfigPath)
	if err != nil {
		config = nil // nothing is haproxy.cfg's own then
	}
	return maskText(text, c.cfg.ConfigPath, config)
}

// readSmall reads a small file of ours, and neither waits at a FIFO nor follows a link.
func (c *configFiles) readSmall(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxOutput {
		return nil, os.ErrInvalid
	}
	return c.read(path)
}

// An installedFile is a configuration on disk, and what it says.
type installedFile struct {
	content []byte
	*outline
}

// readOutline reads the file on disk; nil: it cannot be read.
func (c *configFiles) readOutline() *installedFile {
	content, err := c.read(c.cfg.ConfigPath)
	if err != nil {
		return nil
	}
	return &installedFile{content, outlineOf(content)}
}

// namesSocket reports whether the file on disk has the stats socket.
func (c *configFiles) namesSocket() bool {
	config, err := c.read(c.cfg.ConfigPath)
	return err == nil && respelled(config, []string{c.cfg.StatsSocket}, 0) != nil
}
