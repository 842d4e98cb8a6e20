package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"thalassa/internal/safefile"
)

// maxKey bounds a file of Keys, in bytes.
const maxKey = 2 << 20

// unusedAfter is the age at which a file of Keys that nothing names is removed. By then no change
// that will name it can be in progress.
const unusedAfter = time.Hour

// The suffixes of the files: as it is, and encrypted.
const (
	plainSuffix  = ".pem"
	sealedSuffix = ".sealed"
)

// Keys are the certificates with their private keys, each in a file of its own that is
// named by the SHA-256 of its text. Only their owner may read the folder. Revisions,
// drafts and the persistence file name them by that digest. A file never changes. All
// methods may be called concurrently.
type Keys struct {
	dir  string
	seal *sealer // nil: the files are not encrypted
}

// OpenKeys opens the folder, or makes it. With a secret the files are encrypted, including those
// that were stored without one. An error says that the folder is not usable.
func OpenKeys(dir string, secret []byte) (*Keys, error) {
	k := &Keys{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the folder of the certificates: %w", err)
	}
	if err := safefile.ChangeDir(dir, os.Geteuid(), os.Getegid(), 0o700); err != nil {
		return nil, fmt.Errorf("protecting the folder of the certificates: %w", err)
	}
	if len(secret) == 0 {
		return k, nil
	}
	seal, err := newSealer(secret)
	if err != nil {
		return nil, err
	}
	k.seal = seal
	if err := k.encryptAll(); err != nil {
		return nil, fmt.Errorf("encrypting the stored certificates: %w", err)
	}
	return k, nil
}

// Put stores texts by their digests and returns when they are on disk. Texts that are stored
// already stay as they are. After an error some of the texts may be stored; Sweep removes them
// later.
func (k *Keys) Put(texts map[string][]byte) error {
	for digest, text := range texts {
		if digestOfText(text) != digest {
			return fmt.Errorf("storing a certificate: the text does not have the digest %s", digest)
		}
		if k.Has(digest) {
			k.touch(digest)
			continue
		}
		if err := k.write(digest, text); err != nil {
			return fmt.Errorf("storing a certificate: %w", err)
		}
	}
	return nil
}

// touch protects a file that nothing names yet from the next Sweep.
func (k *Keys) touch(digest string) {
	now := time.Now()
	for _, suffix := range []string{plainSuffix, sealedSuffix} {
		_ = os.Chtimes(filepath.Join(k.dir, digest+suffix), now, now) // one of them is there
	}
}

func (k *Keys) write(digest string, text []byte) error {
	suffix := plainSuffix
	if k.seal != nil {
		text, suffix = k.seal.seal(digest, text), sealedSuffix
	}
	return safefile.Replace(filepath.Join(k.dir, digest+suffix), text, nil)
}

// Has reports whether a text is stored.
func (k *Keys) Has(digest string) bool {
	if !isDigest(digest) {
		return false
	}
	for _, suffix := range []string{sealedSuffix, plainSuffix} {
		if info, err := os.Lstat(filepath.Join(k.dir, digest+suffix)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// listedFrom is the number of texts from which on a list of the folder costs less than a look at
// each file.
const listedFrom = 32

// Stored are those of digests that Has reports; it costs less than to ask for each.
func (k *Keys) Stored(digests []string) map[string]bool {
	out := make(map[string]bool, len(digests))
	var entries []os.DirEntry
	if len(digests) >= listedFrom {
		entries, _ = os.ReadDir(k.dir) // what is read before an error is right
	}
	isListed := make(map[string]bool, len(entries))
	for _, e := range entries {
		digest, suffix, _ := strings.Cut(e.Name(), ".")
		if e.Type().IsRegular() && ("."+suffix == plainSuffix || "."+suffix == sealedSuffix) {
			isListed[digest] = true
		}
	}
	for _, digest := range digests {
		if isDigest(digest) && isListed[digest] || k.Has(digest) {
			out[digest] = true
		}
	}
	return out
}

// Text reads a text. The error is fs.ErrNotExist where there is none.
func (k *Keys) Text(digest string) ([]byte, error) {
	if !isDigest(digest) {
		return nil, fmt.Errorf("reading a certificate: %q is no digest", digest)
	}
	text, err := safefile.ReadOwned(filepath.Join(k.dir, digest+sealedSuffix), maxKey)
	switch {
	case err == nil && k.seal == nil:
		return nil, fmt.Errorf("reading certificate %s: it is encrypted, and there is no key file", digest)
	case err == nil:
		text, err = k.seal.open(digest, text)
	case errors.Is(err, fs.ErrNotExist):
		text, err = safefile.ReadOwned(filepath.Join(k.dir, digest+plainSuffix), maxKey)
	}
	if err == nil && digestOfText(text) != digest {
		err = errors.New("its content is damaged")
	}
	if err != nil {
		return nil, fmt.Errorf("reading certificate %s: %w", digest, err)
	}
	return text, nil
}

// Sweep removes the texts that are not in use, and that nobody has stored within the hour.
// It returns how many it has removed.
func (k *Keys) Sweep(ctx context.Context, inUse map[string]bool, now time.Time) (removed int, err error) {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return 0, fmt.Errorf("listing the stored certificates: %w", err)
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return removed, ctx.Err()
		}
		digest, suffix, _ := strings.Cut(e.Name(), ".")
		info, statErr := e.Info()
		isOurs := isDigest(digest) && ("."+suffix == plainSuffix || "."+suffix == sealedSuffix) || strings.HasPrefix(e.Name(), ".")
		if statErr != nil || !isOurs || inUse[digest] || now.Sub(info.ModTime()) < unusedAfter {
			continue
		}
		if os.Remove(filepath.Join(k.dir, e.Name())) == nil {
			removed++
		}
	}
	return removed, nil
}

// encryptAll encrypts the files that are not.
func (k *Keys) encryptAll() error {
	names, err := filepath.Glob(filepath.Join(k.dir, "*"+plainSuffix))
	if err != nil {
		return err
	}
	for _, name := range names {
		digest := strings.TrimSuffix(filepath.Base(name), plainSuffix)
		if !isDigest(digest) {
			continue
		}
		text, err := safefile.ReadOwned(name, maxKey)
		if err != nil {
			return err
		}
		if err := k.write(digest, text); err != nil {
			return err
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

func isDigest(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

func digestOfText(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
