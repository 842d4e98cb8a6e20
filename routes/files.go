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
	"syscall"
)

// A fileServer serves the files of a route.
type fileServer struct {
	route Route
	cfg   Config
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
	f, info, err := s.open(name)
	if err != nil {
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
	if s.isSecret(info) {
		s.cfg.Logger.WarnContext(r.Context(), "request for a secret of the agent refused", "route", s.route.Path, "path", r.URL.Path)
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

// isSecret reports whether a file is a secret that no route serves. It may be below the directory
// by a hard link or a mount, or because somebody has put it there since.
func (s fileServer) isSecret(info fs.FileInfo) bool {
	if s.cfg.Secrets == nil {
		return false
	}
	return slices.ContainsFunc(s.cfg.Secrets(), func(path string) bool {
		secret, err := os.Stat(path)
		return err == nil && os.SameFile(secret, info)
	})
}

// open opens a regular file or a directory below that of the route. It follows no link that leads
// out of it, and does not wait for a FIFO. Names that begin with a dot are treated as missing.
func (s fileServer) open(name string) (*os.File, fs.FileInfo, error) {
	if strings.HasPrefix(name, ".") || strings.Contains(name, "/.") {
		return nil, nil, fs.ErrNotExist
	}
	root, err := os.OpenRoot(s.route.Files)
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
