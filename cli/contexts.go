package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"thalassa/internal/safefile"
)

// maxContexts bounds the file of contexts: bytes.
const maxContexts = 1 << 20

// A connection is an agent that the user has logged in to.
type connection struct {
	Name  string `json:"name"`
	URL   string `json:"url"`
	Pin   string `json:"publicKey,omitempty"` // SHA-256 of the agent's key; empty: a CA vouches for it
	Token string `json:"token,omitempty"`
}

// contexts are the agents that the user has logged in to, and which of them commands
// talk to.
type contexts struct {
	Current string       `json:"current,omitempty"`
	List    []connection `json:"contexts"` // sorted by name
}

// find is the context with a name or URL; for an empty one the current one.
func (c contexts) find(name string) (connection, bool) {
	if name == "" {
		if name = c.Current; name == "" {
			return connection{}, false
		}
	}
	i := slices.IndexFunc(c.List, func(one connection) bool { return one.Name == name || one.URL == name })
	if i < 0 {
		return connection{}, false
	}
	return c.List[i], true
}

// named is the context with a name.
func (c contexts) named(name string) (connection, bool) {
	known, ok := c.find(name)
	return known, ok && known.Name == name
}

// nameFor is the name of the context of an agent: the one that it has, else its host and
// port. Two agents of one host differ in the port.
func (c contexts) nameFor(address, host string) string {
	if current, ok := c.find(""); ok && current.URL == address {
		return current.Name
	}
	if known, ok := c.find(address); ok && known.URL == address {
		return known.Name
	}
	return host
}

// put adds or replaces a context.
func (c *contexts) put(one connection) {
	c.remove(one.Name)
	c.List = append(c.List, one)
	slices.SortFunc(c.List, func(a, b connection) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
}

// remove removes a context, if there is one.
func (c *contexts) remove(name string) {
	c.List = slices.DeleteFunc(c.List, func(one connection) bool { return one.Name == name })
	if c.Current == name {
		c.Current = ""
	}
}

// contextsFile is where the contexts are; empty: the user has no home.
func (env environment) contextsFile() string {
	dir := env.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := env.Getenv("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "thalassa", "contexts.json")
}

// readContexts reads the contexts; none where there is no file. A file that others may
// read or write is refused.
func (env environment) readContexts() (contexts, error) {
	path := env.contextsFile()
	if path == "" {
		return contexts{}, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return contexts{}, nil
	}
	if err != nil {
		return contexts{}, fmt.Errorf("reading the contexts: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return contexts{}, fmt.Errorf("reading the contexts: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return contexts{}, fmt.Errorf("reading the contexts: %s has mode %v, expected a regular file of mode 0600: it holds tokens", path, mode)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxContexts))
	if err != nil {
		return contexts{}, fmt.Errorf("reading the contexts: %w", err)
	}
	var c contexts
	if err := json.Unmarshal(data, &c); err != nil {
		return contexts{}, fmt.Errorf("reading the contexts: %s: %w", path, err)
	}
	return c, nil
}

// writeContexts replaces the file.
func (env environment) writeContexts(c contexts) error {
	path := env.contextsFile()
	if path == "" {
		return errors.New("storing the contexts: HOME is not set")
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("storing the contexts: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("storing the contexts: %w", err)
	}
	if err := safefile.Replace(path, append(data, '\n'), nil); err != nil {
		return fmt.Errorf("storing the contexts: %w", err)
	}
	return nil
}
