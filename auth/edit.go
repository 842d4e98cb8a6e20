package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"

	"thalassa/internal/safefile"
	"thalassa/lb"
)

// NewToken is a token of 256 random bits.
func NewToken() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// An Entry is a user, a token, a certificate or a group of an access file, without secrets.
type Entry struct {
	// Kind is what proves the identity; File is "tokens" for the token file and "access" for
	// the access file.
	Kind ProofKind `json:"-"`
	File string    `json:"-"`
	Name string
	Role string
	// On are the patterns that it is limited to; nil: all objects.
	On []string `json:",omitempty"`
	// Hides: other objects are hidden.
	Hides   bool      `json:",omitempty"`
	Expires time.Time // of a token; zero: never
	// NoPassword says that a user cannot log in with a password.
	NoPassword bool
	// Subject identifies a certificate, e.g. "dns:ci.example.com"; for a group it is the issuer or
	// the service of PAM that knows its members.
	Subject string `json:",omitempty"`
}

// An AccessEdit is an access file that is being changed. Comments and order stay.
type AccessEdit struct{ doc yaml.Node }

// EditAccess changes an access file, and creates it if it does not exist. Concurrent edits wait.
// The file is replaced atomically, and only if OpenAccess accepts the result. Owner, group and mode
// stay; a new file has mode 0600. The error of change is returned unchanged.
func EditAccess(path string, change func(*AccessEdit) error) error {
	unlock, err := lockDirectory(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("changing the access file: %w", err)
	}
	defer unlock()
	data, at, err := readSecret(path, "/", false)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("changing the access file: %w", err)
	}
	if _, err := parseAccess(data); err != nil {
		return fmt.Errorf("changing the access file: %s: %w", path, err)
	}
	edit := &AccessEdit{}
	if err := yaml.Unmarshal(data, &edit.doc); err != nil {
		return fmt.Errorf("changing the access file: %s: %w", path, withoutValues(err))
	}
	if edit.doc.Kind == 0 {
		edit.doc = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	if err := change(edit); err != nil {
		return err
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(&edit.doc), encoder.Close()); err != nil {
		return fmt.Errorf("changing the access file: %w", err)
	}
	if _, err := parseAccess(out.Bytes()); err != nil {
		return fmt.Errorf("changing the access file: %w", err)
	}
	if err := replaceSecret(path, out.Bytes(), at); err != nil {
		return fmt.Errorf("changing the access file: %w", err)
	}
	return nil
}

// ListAccess lists the users and the tokens of an access file.
func ListAccess(path string) (users, tokens []Entry, err error) {
	list, _, err := readAccess(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the access file: %w", err)
	}
	for _, e := range list.entries() {
		switch e.Kind {
		case ByPassword:
			users = append(users, e)
		case ByToken:
			tokens = append(tokens, e)
		case ByCertificate, ByOpenID, ByAccount:
		}
	}
	return users, tokens, nil
}

// AddUser adds a user with a hash of HashPassword; *lb.ConflictError if the name exists.
func (e *AccessEdit) AddUser(name, hash string, g Grant) error {
	if e.find("users", name) >= 0 {
		return &lb.ConflictError{ID: "user " + name, Reason: "exists already"}
	}
	user := e.add("users", "name", name, "role", g.Role.String(), "password", hash)
	limit(user, g)
	return nil
}

// limit adds the limits of a grant to an entry.
func limit(entry *yaml.Node, g Grant) {
	if !g.IsLimited() {
		return
	}
	on := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, p := range g.Patterns() {
		on.Content = append(on.Content, text(p))
	}
	entry.Content = append(entry.Content, text("on"), on)
	if g.HidesRest() {
		entry.Content = append(entry.Content, text("see"), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "false"})
	}
}

// SetPassword gives a user another password.
func (e *AccessEdit) SetPassword(name, hash string) error {
	i := e.find("users", name)
	if i < 0 {
		return &lb.NotFoundError{ID: "user " + name}
	}
	user := e.list("users").Content[i]
	if value := field(user, "password"); value != nil {
		value.SetString(hash)
		return nil
	}
	user.Content = append(user.Content, text("password"), text(hash))
	return nil
}

// AddToken adds a token; a zero time: it never expires. Several may have one name.
func (e *AccessEdit) AddToken(name, token string, g Grant, expires time.Time) {
	words := []string{"name", name, "role", g.Role.String(), "sha256", fileDigest(token)}
	if !expires.IsZero() {
		words = append(words, "expires", expires.UTC().Format(time.RFC3339))
	}
	limit(e.add("tokens", words...), g)
}

// RemoveUser removes a user.
func (e *AccessEdit) RemoveUser(name string) error { return e.remove("users", "user ", name) }

// RemoveToken removes all tokens of a name.
func (e *AccessEdit) RemoveToken(name string) error { return e.remove("tokens", "token ", name) }

// WithdrawToken removes one token.
func (e *AccessEdit) WithdrawToken(token string) error {
	return e.removeWith("tokens", "token", "sha256", fileDigest(token))
}

// fileDigest is what the file has of a token.
func fileDigest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func (e *AccessEdit) remove(kind, what, name string) error {
	return e.removeWith(kind, what+name, "name", name)
}

// removeWith removes all entries of a kind with a value. what is what is not found else.
func (e *AccessEdit) removeWith(kind, what, key, value string) error {
	found := false
	for i := e.findBy(kind, key, value); i >= 0; i = e.findBy(kind, key, value) {
		found = true
		list := e.list(kind)
		list.Content = append(list.Content[:i:i], list.Content[i+1:]...)
	}
	if !found {
		return &lb.NotFoundError{ID: what}
	}
	return nil
}

// find is the place of the first entry with a name; -1: there is none.
func (e *AccessEdit) find(kind, name string) int { return e.findBy(kind, "name", name) }

// findBy is the place of the first entry with a value under a key; -1: there is none.
func (e *AccessEdit) findBy(kind, key, want string) int {
	list := e.list(kind)
	if list == nil {
		return -1
	}
	for i, entry := range list.Content {
		if value := field(entry, key); value != nil && value.Value == want {
			return i
		}
	}
	return -1
}

// list is the list of a kind; nil: there is none.
func (e *AccessEdit) list(kind string) *yaml.Node { return field(e.doc.Content[0], kind) }

// add adds an entry of keys and values to the list of a kind.
func (e *AccessEdit) add(kind string, words ...string) (entry *yaml.Node) {
	list := e.list(kind)
	top := e.doc.Content[0]
	switch {
	case list == nil:
		list = &yaml.Node{Kind: yaml.SequenceNode}
		top.Content = append(top.Content, text(kind), list)
	case list.Kind != yaml.SequenceNode: // "users:" without entries
		*list = yaml.Node{Kind: yaml.SequenceNode, HeadComment: list.HeadComment, LineComment: list.LineComment}
	}
	if len(list.Content) == 0 {
		list.Style = 0 // not []
	}
	entry = &yaml.Node{Kind: yaml.MappingNode}
	for _, w := range words {
		entry.Content = append(entry.Content, text(w))
	}
	list.Content = append(list.Content, entry)
	return entry
}

// field is the value of a key of a mapping; nil: it has none.
func field(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; mapping.Kind == yaml.MappingNode && i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// lockDirectory keeps other edits of files in a directory out.
func lockDirectory(dir string) (unlock func(), err error) {
	f, err := safefile.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// replaceSecret replaces a file in one step. The new one has owner, group and mode of the
// former one, if there is one.
func replaceSecret(path string, data []byte, former fileVersion) error {
	return safefile.Replace(path, data, func(f *os.File) error {
		info, err := os.Stat(path)
		if err != nil || former.inode == 0 {
			return nil //nolint:nilerr // it is a new one
		}
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			err = f.Chown(int(owner.Uid), int(owner.Gid))
		}
		return errors.Join(err, f.Chmod(info.Mode().Perm()))
	})
}
