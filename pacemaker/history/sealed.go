package history

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"strings"

	"thalassa/cluster"
)

// maxManifest limits the manifest of a file, in bytes.
const maxManifest = 4 << 20

// CheckExport reads a file of WriteExport to its end, and checks that it is whole. The error is
// an *lb.InvalidError that names the entry.
func CheckExport(ctx context.Context, file io.Reader) (cluster.HistoryManifest, error) {
	s := newSeal()
	err := readTarball(ctx, file, 2*maxExportedBytes, func(h *tar.Header, content io.Reader) error {
		_, err := io.Copy(io.Discard, s.passing(h, content))
		return err
	})
	if err != nil {
		return cluster.HistoryManifest{}, err
	}
	return s.broken()
}

// A seal compares the entries of a file with its manifest.
type seal struct {
	parts    map[string]*sealedPart
	manifest *strings.Builder
}

// A sealedPart is an entry as it was read.
type sealedPart struct {
	sum   hash.Hash
	bytes int64
}

func (p *sealedPart) Write(data []byte) (int, error) {
	p.bytes += int64(len(data))
	return p.sum.Write(data)
}

func newSeal() *seal { return &seal{parts: map[string]*sealedPart{}} }

// passing is the content of an entry, which is taken note of when it is read.
func (s *seal) passing(h *tar.Header, content io.Reader) io.Reader {
	name, isOurs := strings.CutPrefix(h.Name, exportFolder)
	switch {
	case isOurs && name == manifestPart && s.manifest == nil:
		s.manifest = &strings.Builder{}
		return io.TeeReader(io.LimitReader(content, maxManifest), s.manifest)
	case !isOurs:
		name = h.Name
	}
	part := &sealedPart{sum: sha256.New()}
	s.parts[name] = part
	return io.TeeReader(content, part)
}

// broken breaks the seal: it returns the manifest of a file that is whole.
func (s *seal) broken() (m cluster.HistoryManifest, err error) {
	const whole = "a whole file of thalassa cluster history export"
	if s.manifest == nil {
		return m, refused("file", "has no "+exportFolder+manifestPart, whole)
	}
	text := []byte(s.manifest.String())
	if err := checkElements(text, maxToldElements); err != nil {
		return m, inEntry(exportFolder+manifestPart, err)
	}
	if err := json.Unmarshal(text, &m); err != nil || m.Format != cluster.HistoryFormat {
		return m, refused(exportFolder+manifestPart, "is no manifest of such a file", whole)
	}
	if m.Version != cluster.HistoryFormatVersion {
		return m, refused(exportFolder+manifestPart, fmt.Sprintf("is of version %d", m.Version), fmt.Sprintf("version %d, which this agent reads", cluster.HistoryFormatVersion))
	}
	if len(m.Entries) != len(s.parts) {
		return m, refused(exportFolder+manifestPart, fmt.Sprintf("names %d entries, and the file has %d", len(m.Entries), len(s.parts)), whole)
	}
	for _, want := range m.Entries {
		is := s.parts[want.Name]
		switch {
		case is == nil:
			return m, refused(exportFolder+want.Name, "is not there", whole)
		case is.bytes != want.Bytes || hex.EncodeToString(is.sum.Sum(nil)) != want.SHA256:
			return m, refused(exportFolder+want.Name, "is another one than when the file was made", whole)
		}
	}
	return m, nil
}
