package haproxy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"thalassa/internal/leftover"
	"thalassa/internal/safefile"
)

// filePerm protects the passwords of a configuration from other users. HAProxy reads
// the file before it drops its privileges.
const filePerm = 0o640

// writeTemp writes a file beside path and returns its name. The name begins with a
// dot and does not end in .cfg, so that no HAProxy that was given the folder
// (-f folder/) reads it. For root it gets the owner of the file at path. On error no
// file is left.
func writeTemp(path string, content []byte) (name string, err error) {
	return writeTempAs(path, content, filePerm, nil)
}

// writeTempAs is writeTemp with a mode and, unless that is nil, an owner. Both are set by the
// file's descriptor: its directory may be another user's.
func writeTempAs(path string, content []byte, mode os.FileMode, owner *User) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), leftover.TempPrefix(path)+"*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode))
	if owner != nil {
		err = errors.Join(err, f.Chown(int(owner.UID), int(owner.GID)), f.Close())
	} else {
		err = errors.Join(err, chownLike(f, path), f.Close())
	}
	return f.Name(), err
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
func (d *disk) replace(path string, content []byte) error {
	return d.replaceBy(path, func() (string, error) { return writeTemp(path, content) })
}

// replaceBy replaces the file at path by the temporary file that write makes.
func (d *disk) replaceBy(path string, write func() (name string, err error)) error {
	err := d.Do(path, func(abandoned func() bool) error { return replace(path, write, abandoned) })
	d.health.Note(err)
	return err
}

// replace is disk.replaceBy within a piece of work.
func replace(path string, write func() (name string, err error), abandoned func() bool) error {
	name, err := write()
	if err != nil {
		return err
	}
	if err := safefile.Sync(name); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	if err := moveInto(name, path, abandoned); err != nil {
		return err
	}
	return safefile.Sync(filepath.Dir(path))
}

// renameInto replaces a file atomically. It may be lost in a power cut.
func (d *disk) renameInto(path string, content []byte) error {
	return d.Do(path, func(abandoned func() bool) error {
		name, err := writeTemp(path, content)
		if err != nil {
			return err
		}
		return moveInto(name, path, abandoned)
	})
}

// moveInto gives a temporary file its name, or removes it.
func moveInto(temp, path string, abandoned func() bool) error {
	err := safefile.ErrHangs
	if !abandoned() {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
	}
	return err
}

// writeTempAs writes a temporary file; see the function of this name.
func (d *disk) writeTempAs(path string, content []byte, mode os.FileMode, owner *User) (name string, err error) {
	defer func() { d.health.Note(err) }()
	return tell(d, path, func(abandoned func() bool) (string, error) {
		name, err := writeTempAs(path, content, mode, owner)
		if err == nil && abandoned() {
			err = os.Remove(name)
		}
		return name, err
	})
}

// remove removes a file of ours; what fails is left to the next sweep.
func (d *disk) remove(path string) {
	_ = d.Do(path, func(func() bool) error { return os.Remove(path) })
}

// hasContent reports whether the file at path holds content.
func (d *disk) hasContent(path string, content []byte) bool {
	has, err := tell(d, path, func(func() bool) (bool, error) { return hasContent(path, content), nil })
	return err == nil && has
}

func hasContent(path string, content []byte) bool {
	f, err := safefile.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	there, err := io.ReadAll(io.LimitReader(f, int64(len(content))+1))
	return err == nil && bytes.Equal(there, content)
}
