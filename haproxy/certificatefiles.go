package haproxy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"thalassa/internal/safefile"
	"thalassa/lb"
)

// CertificateDir is the folder of the certificates that HAProxy loads, for a Process with that
// ConfigPath. It belongs to this package alone.
func CertificateDir(configPath string) string {
	if absolute, err := filepath.Abs(configPath); err == nil {
		configPath = absolute
	}
	return configPath + ".certs"
}

// A CertificateFile is a file in CertificateDir. Its name is that of a lb.TLSFile: it contains
// a digest, and the file never changes.
type CertificateFile struct {
	Name string
	Text func() ([]byte, error)
}

// Certificates manages what HAProxy needs for TLS: certificate files on disk, the certificates of
// the running HAProxy, and the answers to ACME challenges. All methods may be called concurrently.
type Certificates struct {
	files      *certificateFiles
	runtime    *runtimeAPI
	challenges *challenges
}

// Certificates are those of this HAProxy.
func (p *Process) Certificates() *Certificates { return p.certificates }

// PutFiles writes the files that are missing or that somebody has changed, and returns when all of
// them are on disk. haproxy.cfg may name them from then on. After an error some files may have been
// written; SweepFiles removes those that nothing names.
func (c *Certificates) PutFiles(ctx context.Context, files []CertificateFile) error {
	if err := c.files.put(ctx, files); err != nil {
		return fmt.Errorf("writing certificates for haproxy: %w", err)
	}
	return nil
}

// SweepFiles removes the files in CertificateDir that neither haproxy.cfg nor the last good one
// names. It keeps files for which keep returns true, and those of the last ten minutes, because a
// change in progress may name them.
func (c *Certificates) SweepFiles(ctx context.Context, keep func(name string) bool) {
	c.files.sweep(ctx, keep)
}

// certificateFiles are those in CertificateDir.
type certificateFiles struct {
	cfg    *Config
	logger *slog.Logger
	files  *configFiles
	trial  string // a folder of Try; empty: CertificateDir

	mu       sync.Mutex
	verified map[string]inode // whose content is right, by name
}

func (c *certificateFiles) dir() string {
	return cmp.Or(c.trial, CertificateDir(c.cfg.ConfigPath))
}

// isPrivate reports whether only the owner of the files reads them: HAProxy starts as root, or
// as the owner. Another user reads them by its group, as haproxy.cfg.
func (c *certificateFiles) isPrivate() bool {
	return c.cfg.User != nil || c.cfg.Sudo || os.Geteuid() == 0 || c.cfg.Mode == Managed
}

func (c *certificateFiles) put(ctx context.Context, files []CertificateFile) error {
	if len(files) == 0 {
		return nil
	}
	dir := c.dir()
	if isUnsafe(dir) {
		return fmt.Errorf("the folder %q has characters that HAProxy's lists of certificates cannot have", dir)
	}
	if err := c.cfg.disk.Do(dir, func(func() bool) error { return c.makeDir(dir) }); err != nil {
		return err
	}
	wrote := false
	for _, f := range files {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		did, err := c.putOne(filepath.Join(dir, f.Name), f)
		if err != nil {
			return err
		}
		wrote = wrote || did
	}
	if !wrote || c.trial != "" {
		return nil
	}
	return c.cfg.disk.Do(dir, func(func() bool) error { return safefile.Sync(dir) })
}

// makeDir makes the folder, which belongs to the user who starts HAProxy.
func (c *certificateFiles) makeDir(dir string) error {
	mode := os.FileMode(0o700)
	if !c.isPrivate() {
		mode = 0o750
	}
	err := os.Mkdir(dir, mode)
	switch {
	case errors.Is(err, fs.ErrExist):
		info, err := os.Lstat(dir)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a directory", dir)
		}
		return err
	case err != nil:
		return err
	}
	uid, gid := -1, -1
	if u := c.owner(); u != nil {
		uid, gid = int(u.UID), int(u.GID)
	}
	return safefile.ChangeDir(dir, uid, gid, mode)
}

// owner is the user who gets the files when root writes them: the one who starts HAProxy, or
// the owner of haproxy.cfg; nil: root.
func (c *certificateFiles) owner() *User {
	if c.cfg.User != nil || os.Geteuid() != 0 {
		return c.cfg.User
	}
	info, err := os.Stat(c.cfg.ConfigPath)
	if err != nil {
		return nil
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
		return &User{UID: stat.Uid, GID: stat.Gid}
	}
	return nil
}

// putOne writes a file unless it is there.
func (c *certificateFiles) putOne(path string, f CertificateFile) (wrote bool, err error) {
	if c.isVerified(path) {
		return false, nil
	}
	text, err := f.Text()
	if err != nil {
		return false, err
	}
	if !c.cfg.disk.hasContent(path, text) {
		if err := c.write(path, text); err != nil {
			return false, err
		}
		wrote = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.verified == nil {
		c.verified = map[string]inode{}
	}
	c.verified[f.Name] = inodeAt(path)
	return wrote, nil
}

func (c *certificateFiles) isVerified(path string) bool {
	c.mu.Lock()
	known := c.verified[filepath.Base(path)]
	c.mu.Unlock()
	return known != inode{} && inodeAt(path) == known
}

func (c *certificateFiles) write(path string, text []byte) error {
	mode := os.FileMode(0o600)
	if !c.isPrivate() {
		mode = filePerm
	}
	temp, err := c.cfg.disk.writeTempAs(path, text, mode, c.owner())
	if err != nil {
		return err
	}
	return c.cfg.disk.Do(path, func(abandoned func() bool) error {
		if c.trial == "" {
			if err := safefile.Sync(temp); err != nil {
				return errors.Join(err, os.Remove(temp))
			}
		}
		return moveInto(temp, path, abandoned)
	})
}

// unusedAfter is the age from which on no change under way needs a file.
const unusedAfter = 10 * time.Minute

func (c *certificateFiles) sweep(ctx context.Context, keep func(name string) bool) {
	dir := c.dir()
	_ = c.cfg.disk.Do(dir, func(abandoned func() bool) error {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err // there is none
		}
		named := c.named()
		if named == nil {
			return nil
		}
		for _, e := range entries {
			_, isOurs := lb.TLSRole(e.Name())
			isTemp := strings.HasPrefix(e.Name(), ".")
			info, err := e.Info()
			if err != nil || abandoned() || ctx.Err() != nil {
				return err
			}
			if !isOurs && !isTemp || named[e.Name()] || keep(e.Name()) || time.Since(info.ModTime()) < unusedAfter {
				continue
			}
			remove := os.Remove
			if strings.HasPrefix(e.Name(), trialPrefix) {
				remove = os.RemoveAll
			}
			if remove(filepath.Join(dir, e.Name())) == nil {
				c.forget(e.Name())
				removeStaple(dir, e.Name())
				c.logger.DebugContext(ctx, "unused certificate removed", "file", e.Name())
			}
		}
		return nil
	})
}

func (c *certificateFiles) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.verified, name)
}

// named are the names of the files that haproxy.cfg on disk or its certificate lists name; nil:
// unknown.
func (c *certificateFiles) named() map[string]bool {
	out := map[string]bool{}
	for _, path := range []string{c.cfg.ConfigPath, c.files.lastGood(), asidePath(c.cfg.ConfigPath)} {
		config, err := c.files.read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil
		}
		c.addNamed(out, config)
	}
	return out
}

func (c *certificateFiles) addNamed(out map[string]bool, text []byte) {
	prefix := []byte(c.dir() + "/")
	for {
		_, rest, found := bytes.Cut(text, prefix)
		if !found {
			return
		}
		end := bytes.IndexAny(rest, " \t\r\n\"',")
		if end < 0 {
			end = len(rest)
		}
		name := string(rest[:end])
		text = rest[end:]
		if out[name] {
			continue
		}
		out[name] = true
		if strings.HasSuffix(name, ".list") && !strings.Contains(name, "/") {
			if list, err := c.files.read(filepath.Join(c.dir(), name)); err == nil {
				c.addNamed(out, list)
			}
		}
	}
}
