package statsock

import (
	"bytes"
	"io"
)

// The parsers, for the fuzz tests and tables of this package.
var (
	ParseConnections = parseConnections
	ParseDump        = parseDump
	ParseInfo        = parseInfo
	ParseOffer       = parseOffer
	ParseProcesses   = parseProcesses
	ParseReload      = parseReload
	ParseServers     = parseServers
	ReadAnswers      = readAnswers
	ReadStats        = readStats
	Separate         = separate
)

// Texts is how many texts a Scanner keeps.
func (s *Scanner) Texts() int { return len(s.decoder.seen) }

// ScanBytes reads an answer with show info before it.
func (s *Scanner) ScanBytes(data []byte, each func(*Stat) error) error {
	s.reset(bytes.NewReader(data))
	if _, err := s.decoder.info(); err != nil {
		return err
	}
	return s.scan(each)
}

// ScanFrom is Scan of an answer without Info.
func (s *Scanner) ScanFrom(r io.Reader, each func(*Stat) error) error {
	s.reset(r)
	return s.scan(each)
}
