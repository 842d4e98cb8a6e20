package natives

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var (
	errRelative = errors.New("is not absolute")
	errNothing  = errors.New("cannot be followed: something on its way does not exist")
	errClosed   = errors.New("cannot be followed: the agent may not read a directory on its way")
	errBroken   = errors.New("cannot be followed")
	errZero     = errors.New("holds a zero byte")
)

// resolve follows the symbolic links of an absolute name, as opening it would. For a file that does
// not exist yet it follows those of its directory. Where the agent may not look and trust is set,
// as for /etc/letsencrypt/live, which only root may read and write, the name itself counts.
func resolve(name string, trust bool) (string, error) {
	switch {
	case strings.ContainsRune(name, 0):
		return "", errZero
	case !filepath.IsAbs(name):
		return "", errRelative
	}
	where, err := filepath.EvalSymlinks(name)
	// A parent that cannot be followed cannot be taken back either.
	climbs := slices.Contains(strings.Split(name, "/"), "..")
	switch {
	case err == nil:
		return where, nil
	case errors.Is(err, fs.ErrNotExist) && !climbs:
		if _, err := os.Lstat(name); err == nil {
			return "", errNothing // a link to a file that somebody may make later
		}
		clean := filepath.Clean(name)
		if clean == "/" {
			return "", errNothing
		}
		dir, err := resolve(filepath.Dir(clean), trust)
		return filepath.Join(dir, filepath.Base(clean)), err
	case errors.Is(err, fs.ErrNotExist):
		return "", errNothing
	case errors.Is(err, fs.ErrPermission) && trust && !climbs:
		return filepath.Clean(name), nil
	case errors.Is(err, fs.ErrPermission):
		return "", errClosed
	}
	return "", errBroken
}

// resolved is the name of a directory without symbolic links, or the name as it is where links
// cannot be followed.
func resolved(dir string) string {
	if where, err := resolve(dir, true); err == nil {
		return where
	}
	return filepath.Clean(dir)
}

// isBelow reports whether a clean name is dir, or something in it.
func isBelow(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

// isOwn reports whether one of the names is a file of the agent's own, in a
// directory of its own, beside one with the same beginning of the name (a copy that
// an editor or the agent itself has left), the same file under another name, or a
// directory with one in it.
func (p Policy) isOwn(names ...string) (owned bool, reason string) {
	for _, own := range p.Own {
		if own == "" {
			continue
		}
		own = resolved(own)
		for _, name := range names {
			switch {
			case !filepath.IsAbs(name):
			case isBelow(name, own), isCopy(name, own), isSame(name, own):
				return true, "is the agent's own"
			case isBelow(own, filepath.Clean(name)):
				return true, "is a directory with files of the agent's own"
			}
		}
	}
	return false, ""
}

// isCopy reports whether name is in the directory of own and has its name, perhaps with a dot in
// front and more behind it.
func isCopy(name, own string) bool {
	return filepath.Dir(name) == filepath.Dir(own) &&
		strings.HasPrefix(strings.TrimPrefix(filepath.Base(name), "."), filepath.Base(own))
}

// isSame reports whether both are the same file, as hard links are.
func isSame(name, own string) bool {
	a, err := os.Stat(name)
	if err != nil || a.IsDir() {
		return false
	}
	b, err := os.Stat(own)
	return err == nil && os.SameFile(a, b)
}
