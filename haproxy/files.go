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

// filePerm protects the passwords of a configuration from other users. HAProxy reads
// the file before it drops its privileges.
const filePerm = 0o640

// stage writes a file beside path and returns its name. The name begins with a
// dot and does not end in .cfg, so that no HAProxy that was given the folder
// (-f folder/) reads it. For root it gets the owner of the file at path. On error no
// file is left.
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
	intended digest // the last argument of Install
	inEffect digest // the file that Install or Apply has put in effect last
}

// read reads one of our files. With Config.User the folder is that user's, who may put
// anything there. Then root follows no link, and reads only a file that the user could
// have created: otherwise the user could read root's files through HAProxy.
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

// checkOwner returns an error unless the user could have created the file. A hard link to
// another user's file is an error.
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

// chownLike gives f the owner of the file at path, if that exists and we are root.
func chownLike(f *os.File, path string) error {
	info, err := os.Stat(path)
	if err != nil || os.Geteuid() != 0 {
		return nil //nolint:nilerr // there is no other owner
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 {
		return nil
	}
	return f.Chown(int(stat.Uid), int(stat.Gid))
}

// replace replaces the file at path atomically and durably: a reader sees the previous
// or the new file, also after a power cut. On error the previous file remains.
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

// syncPath flushes a file or a directory to disk.
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

// openFile opens a regular file to read. A FIFO, on which a reader may wait for ever, is
// an error.
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

// intend stores the argument of Install. It returns what is in effect.
func (c *configFiles) intend(config digest) (inEffect digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.intended = config
	return c.inEffect
}

// lastIntended is the digest of the last argument of Install.
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

// A digest identifies the content of a file.
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

// mask is maskText for output about the file on disk.
func (c *configFiles) mask(text string) string {
	config, err := os.ReadFile(c.cfg.ConfigPath)
	if err != nil {
		config = nil // then everything is masked
	}
	return maskText(text, c.cfg.ConfigPath, config)
}

// readSmall reads a small regular file of ours. A link is an error.
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

// An installedFile is the configuration on disk and its outline.
type installedFile struct {
	content []byte
	*outline
}

// readOutline reads the file on disk; nil: that failed.
func (c *configFiles) readOutline() *installedFile {
	content, err := c.read(c.cfg.ConfigPath)
	if err != nil {
		return nil
	}
	return &installedFile{content, outlineOf(content)}
}

// namesSocket reports whether the file on disk has a line for the stats socket.
func (c *configFiles) namesSocket() bool {
	config, err := c.read(c.cfg.ConfigPath)
	return err == nil && respelled(config, []string{c.cfg.StatsSocket}, 0) != nil
}
