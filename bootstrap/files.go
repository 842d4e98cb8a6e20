package bootstrap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"slices"

	"thalassa/internal/safefile"
)

// former is the corosync.conf that was there before the cluster: the file itself, with its owner and
// mode, or the symbolic link.
func (n setup) former() string { return n.conf() + ".before-thalassa" }

func (n setup) hasKey(context.Context) (bool, error) {
	want, err := n.journal.get(fileKey, maxKey)
	if err != nil {
		return false, err
	}
	return hasContent(n.key(), want, 0o400), nil
}

// writeKey replaces no key but one of the journal.
func (n setup) writeKey(context.Context) error {
	key, err := n.journal.get(fileKey, maxKey)
	if err != nil {
		return err
	}
	if err := n.removePart(n.key()); err != nil {
		return err
	}
	switch now, err := safefile.Read(n.key(), maxKey); {
	case errors.Is(err, fs.ErrNotExist):
		return create(n.key(), key, 0o400)
	case err != nil:
		return err
	case !n.journal.hasHad(now):
		return foreignKey(n.key())
	}
	return safefile.Replace(n.key(), key, func(f *os.File) error { return f.Chmod(0o400) })
}

func foreignKey(path string) error {
	return conflict("%s exists, and may be the key of another cluster. Nothing has changed. If no cluster needs it, remove it", path)
}

// removeKey removes the key if it is one of the journal.
func (n setup) removeKey(context.Context) error {
	switch now, err := safefile.Read(n.key(), maxKey); {
	case errors.Is(err, fs.ErrNotExist):
		return n.removePart(n.key())
	case err != nil:
		return err
	case !n.journal.hasHad(now):
		n.tell(Event{Step: stepKey, State: "warning", Text: n.key() + " is another key than the one that this node has got, and stays"})
		return n.removePart(n.key())
	}
	if err := os.Remove(n.key()); err != nil {
		return err
	}
	return n.removePart(n.key())
}

// removePart removes what a killed create has left.
func (n setup) removePart(path string) error {
	if err := os.Remove(path + partSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return safefile.Sync(n.cfg.Corosync)
}

const partSuffix = ".thalassa-part"

// create writes a file of a mode that replaces no other one.
func create(path string, data []byte, mode fs.FileMode) error {
	part := path + partSuffix
	if err := safefile.Replace(part, data, func(f *os.File) error { return f.Chmod(mode) }); err != nil {
		return err
	}
	err := os.Link(part, path)
	if errors.Is(err, fs.ErrExist) {
		err = conflict("%s has come into being meanwhile, and is not replaced", path)
	}
	return errors.Join(err, os.Remove(part), safefile.Sync(path))
}

func (n setup) hasConf(context.Context) (bool, error) {
	want, err := n.journal.get(fileConf, maxConf)
	if err != nil {
		return false, err
	}
	return hasContent(n.conf(), want, 0o644), nil
}

// writeConf keeps what is there, and writes the new one.
func (n setup) writeConf(context.Context) error {
	want, err := n.journal.get(fileConf, maxConf)
	if err != nil {
		return err
	}
	if err := n.removePart(n.conf()); err != nil {
		return err
	}
	now, err := safefile.Read(n.conf(), maxConf)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return create(n.conf(), want, 0o644)
	case err != nil:
		return err
	case !n.isOurs(now):
		if err := n.keepConf(); err != nil {
			return err
		}
	}
	return writeConf(n.conf(), want)
}

// keepConf gives the corosync.conf that is there, which is an example, a second name.
func (n setup) keepConf() error {
	if err := n.checkConf(); err != nil { // it may have come after the first check
		return err
	}
	if err := os.Link(n.conf(), n.former()); err != nil {
		if same, sameErr := isSame(n.conf(), n.former()); sameErr != nil || !same {
			return errors.Join(err, sameErr)
		}
	}
	n.journal.HadConf = true
	return errors.Join(safefile.Sync(n.cfg.Corosync), n.journal.save())
}

// isSame reports whether two names are those of one file, or of one symbolic link. In an overlay file
// system, those of one file can look like two with the same content.
func isSame(a, b string) (bool, error) {
	one, err := os.Lstat(a)
	if err != nil {
		return false, err
	}
	other, err := os.Lstat(b)
	if err != nil {
		return false, err
	}
	if same := os.SameFile(one, other); same || !one.Mode().IsRegular() || one.Mode() != other.Mode() {
		return same, nil
	}
	text, err := safefile.Read(a, maxConf)
	if err != nil {
		return false, err
	}
	kept, err := safefile.Read(b, maxConf)
	return err == nil && bytes.Equal(text, kept), err
}

func writeConf(path string, data []byte) error {
	return safefile.Replace(path, data, func(f *os.File) error { return f.Chmod(0o644) })
}

// restoreConf removes the cluster's corosync.conf, and brings back the former one.
func (n setup) restoreConf(context.Context) error {
	if err := n.removePart(n.conf()); err != nil {
		return err
	}
	if n.journal.HadConf {
		if same, err := isSame(n.conf(), n.former()); err == nil && same { // it was never replaced
			return errors.Join(os.Remove(n.former()), safefile.Sync(n.cfg.Corosync))
		}
	}
	now, err := safefile.Read(n.conf(), maxConf)
	isThere := !errors.Is(err, fs.ErrNotExist)
	if isThere && err != nil {
		return err
	}
	if isThere && !n.isOurs(now) {
		if _, err := os.Lstat(n.former()); err == nil && n.journal.HadConf {
			n.tell(Event{Step: stepConf, State: "warning", Text: n.conf() + " is not that of the cluster, and stays; the former one is " + n.former()})
		}
		return nil
	}
	if n.journal.HadConf {
		err = os.Rename(n.former(), n.conf())
	} else if isThere {
		err = os.Remove(n.conf())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // an earlier attempt has done it
		return err
	}
	return safefile.Sync(n.cfg.Corosync)
}

func hasContent(path string, want []byte, mode fs.FileMode) bool {
	f, err := safefile.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Mode().Perm() != mode || info.Size() != int64(len(want)) {
		return false
	}
	now, err := safefile.Read(path, int64(len(want))+1)
	return err == nil && bytes.Equal(now, want)
}

// noteKey notes that a key is one that this node may write.
func (j *journal) noteKey(key []byte) {
	if !j.hasHad(key) {
		j.Keys = append(j.Keys, keyDigest(key))
	}
}

// hasHad reports whether a key is one that this node was to write.
func (j *journal) hasHad(key []byte) bool { return slices.Contains(j.Keys, keyDigest(key)) }

func keyDigest(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}
