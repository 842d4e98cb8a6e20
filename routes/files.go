package routes

import (
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// A fileServer serves the files of a route.
type fileServer struct {
	route Route
	cfg   Config
	dir   *watchedPath
	said  *said
}

// filePolicy is the Content-Security-Policy of files. A script in a file would have all
// rights of the user who opens it.
func (s fileServer) policy() string {
	if s.route.Scripts {
		return "frame-ancestors 'self'; object-src 'none'; base-uri 'self'"
	}
	return "script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
}

// serve answers with a file, and for a directory with its index.html.
func (s fileServer) serve(w http.ResponseWriter, r *http.Request, _ Caller) error {
	name := strings.TrimPrefix(r.URL.Path, s.route.Path)
	isFolder := name == "" || strings.HasSuffix(name, "/")
	if isFolder {
		name += "index.html"
	}
	secrets := s.cfg.secrets()
	f, info, err := s.open(name, secrets)
	if err != nil {
		switch {
		case errors.Is(err, errLinked), errors.Is(err, errSecretAbove):
			s.refuse(r, "", err.Error())
		case errors.Is(err, errPrivateAbove):
			s.refuse(r, name, err.Error())
		}
		return fileFailure(err)
	}
	defer f.Close()
	if info.IsDir() {
		if !isFolder {
			redirectToFolder(w, r, r.URL.Path+"/")
			return nil
		}
		return fileFailure(fs.ErrNotExist)
	}
	if why := refusal(info, secrets); why != "" {
		s.refuse(r, name, why)
		return fileFailure(fs.ErrNotExist)
	}
	h := w.Header()
	h.Set("Content-Security-Policy", s.policy())
	h.Set("Cache-Control", "private, no-cache") // the caller may lose the right to read it
	h.Set("Etag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	kind := mime.TypeByExtension(path.Ext(name))
	if kind == "" {
		kind = "application/octet-stream"
	}
	h.Set("Content-Type", kind)
	http.ServeContent(w, r, "", info.ModTime(), f)
	return nil
}

// refusal says why a file is not served; empty: it is. The agent can read what others cannot,
// and whoever may write a directory can bring such a file into it: by a rename, or by a hard
// link, unless the kernel forbids it (fs.protected_hardlinks). So only what every user of the
// machine may read is served. All secrets of the agent are private files, whatever their names
// become. A file that has a second name may be any file of the machine.
func refusal(info fs.FileInfo, secrets []fs.FileInfo) string {
	if isSecret(info, secrets) {
		return "it is a secret of the agent"
	}
	if info.Mode().Perm()&0o004 == 0 {
		return fmt.Sprintf("its mode %04o does not let every user read it, expected 0644 or the like", info.Mode().Perm())
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Nlink > 1 {
		return "it has several names (hard links), expected a copy"
	}
	return ""
}

// isSecret reports whether a file is one that no route serves: by a hard link, a mount, or
// because a secret has been put into the directory since.
func isSecret(info fs.FileInfo, secrets []fs.FileInfo) bool {
	return slices.ContainsFunc(secrets, func(secret fs.FileInfo) bool { return os.SameFile(secret, info) })
}

// refuse logs, once for each reason and file, why a file is not served.
func (s fileServer) refuse(r *http.Request, name, why string) {
	if s.said.isNew(why + "\n" + name) {
		s.cfg.Logger.WarnContext(r.Context(), "file of a route not served", "route", s.route.Path, "files", s.route.Files, "file", name, "reason", why)
	}
}

// said is what has been logged. The zero value is ready.
type said struct {
	mu  sync.Mutex
	set map[string]struct{}
}

// isNew reports whether a text has not been said yet. Of very many texts it forgets some.
func (s *said) isNew(text string) bool {
	const most = 256
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.set[text]; ok {
		return false
	}
	if s.set == nil || len(s.set) >= most {
		s.set = map[string]struct{}{}
	}
	s.set[text] = struct{}{}
	return true
}

// open opens a regular file or a directory below that of the route. It follows no link that leads
// out of it, and does not wait for a FIFO. Names that begin with a dot are treated as missing.
func (s fileServer) open(name string, secrets []fs.FileInfo) (*os.File, fs.FileInfo, error) {
	if strings.HasPrefix(name, ".") || strings.Contains(name, "/.") {
		return nil, nil, fs.ErrNotExist
	}
	root, err := s.dir.openDirectory(secrets)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err == nil {
		err = checkPlace(f, root, secrets)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// fileFailure tells callers nothing about what else there is.
func fileFailure(err error) *ServeError {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return &ServeError{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "there are no file descriptors left"}
	}
	return &ServeError{Status: http.StatusNotFound, Code: "not_found", Message: "there is no such file"}
}
