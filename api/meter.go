package api

import (
	"io"
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"

	"thalassa/backup"
	"thalassa/imports"
	"thalassa/pyhrapi"
)

// freeBody is how much of a body every request may read beside the budget, so that
// ordinary changes never wait for large ones.
const freeBody = 16 << 10

// A meteredBody takes the bytes of a body from a budget before it reads more than
// freeBody of them. The budget counts them until the request has been answered, because
// what is decoded from them lives as long.
type meteredBody struct {
	io.ReadCloser
	take func() error // all that the body may have; called once

	read int
}

// Read reads the next bytes as soon as the budget has room for the body.
func (b *meteredBody) Read(p []byte) (int, error) {
	if b.read < freeBody {
		p = p[:min(len(p), freeBody-b.read)]
	} else if err := b.take(); err != nil {
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	b.read += n
	return n, err
}

// meter bounds the bodies of all requests under way.
func (s *Server) meter(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.Body == nil || r.Body == http.NoBody || r.ContentLength >= 0 && r.ContentLength <= freeBody {
			return next(c)
		}
		size := r.ContentLength
		if most := largestBody(c); size < 0 || size > most {
			size = most
		}
		release := func() {}
		defer func() { release() }()
		r.Body = &meteredBody{ReadCloser: r.Body, take: sync.OnceValue(func() (err error) {
			release, err = s.bodies.acquire(r.Context(), payer(c), size)
			return err
		})}
		return next(c)
	}
}

// largestBody is how much of the body the handler of a request has in memory at most.
func largestBody(c echo.Context) int64 {
	switch c.Path() {
	case changesPath, clusterChangesPath:
		return maxChangeset
	case simulatePath:
		return maxUploadedCIB
	case clusterNodePath + "/:verb":
		return maxDraftQuestion
	case clusterImportsPath:
		return clusterImportMemory // which goes to disk as it comes
	case backupPath:
		return backup.MaxBytes
	case importPath, importSQLPath:
		return pyhrapi.MaxBytes
	case importHAProxyPath, uploadPath, pendingPath:
		return imports.MaxSize
	}
	return maxBody
}

// payer is the caller whose share of a budget a request uses.
func payer(c echo.Context) string {
	if name := Author(c); name != "" {
		return name
	}
	return "from " + source(c.Request())
}
