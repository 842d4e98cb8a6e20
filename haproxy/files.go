package haproxy

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
)

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
		return fmt.Errorf("%s: is not a regular file of its user", f.Name())
	}
	return nil
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
