package haproxy

import (
	"crypto/sha256"
	"io"
	"log/slog"
	"os"
	"sync"

	"thalassa/internal/safefile"
)

// maxConfig bounds a haproxy.cfg, in bytes. One with 50,000 servers has 10 MB.
const maxConfig = 256 << 20

// configFiles are the configuration at ConfigPath and what is kept beside it.
type configFiles struct {
	cfg    *Config
	logger *slog.Logger

	mu       sync.Mutex
	intended digest // the last argument of Install
	inEffect digest // the file that Install or Apply has put in effect last
	verified struct {
		at      inode
		content digest
	}
}

// isIntact reports whether the file on disk is the last argument of Install. It reads the
// file only if that has changed since it was read.
func (c *configFiles) isIntact() bool {
	at, intended := inodeAt(c.cfg.ConfigPath), c.lastIntended()
	c.mu.Lock()
	isKnown := at != inode{} && c.verified.at == at && c.verified.content == intended
	c.mu.Unlock()
	if isKnown {
		return true
	}
	if !intended.isOf(c.cfg.ConfigPath) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verified.at, c.verified.content = at, intended
	return true
}

// read reads one of our files. With Config.User the folder is that user's, who may put
// anything there. Then root follows no link, and reads only a file that the user could
// have created: otherwise the user could read root's files through HAProxy.
func (c *configFiles) read(path string) ([]byte, error) {
	return tell(c.cfg.disk, path, func(func() bool) ([]byte, error) {
		if c.cfg.User == nil {
			return safefile.Read(path, maxConfig)
		}
		return safefile.ReadOwned(path, maxConfig, c.cfg.User.UID)
	})
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
	f, err := safefile.Open(path)
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
	config, err := c.read(c.cfg.ConfigPath)
	if err != nil {
		config = nil // then everything is masked
	}
	return maskText(text, c.cfg.ConfigPath, config)
}

// readSmall reads a small regular file of ours. A link is an error.
func (c *configFiles) readSmall(path string) ([]byte, error) {
	return tell(c.cfg.disk, path, func(func() bool) ([]byte, error) {
		return safefile.ReadOwned(path, maxOutput, append(c.cfg.users(), uint32(os.Geteuid()))...) //nolint:gosec // ids are never negative on Linux
	})
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
