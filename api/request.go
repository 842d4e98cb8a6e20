package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/internal/permit"
	"thalassa/lb"
)

// maxBody is the maximum size of a body where nothing else is said.
const maxBody = 1 << 20

const headerETag = "Etag" // in http.Header's canonical form

// name is the path parameter param, checked. With a slash in the parameter, the path is not one of
// the API.
func name(c echo.Context, param string) (lb.Name, error) {
	raw := c.Param(param)
	if strings.Contains(raw, "/") {
		return "", echo.ErrNotFound
	}
	if c.Request().URL.RawPath != "" { // echo matched the path as it was sent
		decoded, err := url.PathUnescape(raw)
		if err != nil {
			return "", invalidField(param, "is not decodable", "percent-encoding")
		}
		raw = decoded
	}
	n, err := lb.ParseName(raw)
	if err == nil {
		return n, nil
	}
	var f lb.FieldError
	if !errors.As(err, &f) {
		return "", err
	}
	return "", invalidField(param, f.Problem, f.Expected)
}

// body reads a JSON body of at most maxBody bytes.
func body(c echo.Context) ([]byte, error) { return bodyOf(c, maxBody) }

// bodyOf reads a JSON body of at most so many bytes. Content-Type may be missing. A form or
// plain text is refused, because a web page may send these to any site.
func bodyOf(c echo.Context, most int64) ([]byte, error) {
	if err := CheckJSON(c.Request()); err != nil {
		return nil, err
	}
	return readBody(c, most)
}

// readBody reads a body of any type, of at most so many bytes.
func readBody(c echo.Context, most int64) ([]byte, error) {
	r := c.Request()
	data, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, r.Body, most))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), errors.As(err, new(*ResponseError)):
		return nil, err
	case err != nil: // the connection failed, or the body is incomplete
		return nil, invalidField("body", "is incomplete", "as many bytes as announced")
	}
	return data, permit.Check(r.Context()) // the body may have taken long
}

func isJSON(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	charset := params["charset"]
	return (media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")) &&
		(charset == "" || strings.EqualFold(charset, "utf-8"))
}

// respond answers with v as JSON.
func respond(c echo.Context, status int, v any) error {
	if done, ok := v.(changed); ok {
		c.Set(revisionKey, done.applied.Revision)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	return write(c, status, echo.MIMEApplicationJSON, append(data, '\n'))
}

// respondTagged answers with v as JSON and the entity tag of the bytes, or
// with 304 when the caller has these bytes.
func respondTagged(c echo.Context, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	if sum := sha256.Sum256(data); unchanged(c, `"`+hex.EncodeToString(sum[:8])+`"`) {
		return c.NoContent(http.StatusNotModified)
	}
	return write(c, http.StatusOK, echo.MIMEApplicationJSON, append(data, '\n'))
}

// write sends an answer, which may take writeTimeout from now. A caller who has lost the right to
// read meanwhile gets nothing. The result of a change is sent in any case.
func write(c echo.Context, status int, contentType string, data []byte) error {
	if r := c.Request(); r.Method == http.MethodGet || r.Method == http.MethodHead {
		if err := permit.Check(r.Context()); err != nil && status < http.StatusBadRequest {
			return err
		}
	}
	err := http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(writeTimeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("setting the deadline of the answer: %w", err)
	}
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(data)))
	return c.Blob(status, contentType, data)
}

// joinObjects joins two objects without a common field into one.
func joinObjects(a, b any) ([]byte, error) {
	first, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	second, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	return slices.Concat(first[:len(first)-1], []byte(","), second[1:]), nil
}

// orEmpty is list, or an empty list for nil, which JSON would show as null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
