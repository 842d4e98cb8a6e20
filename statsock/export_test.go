package statsock

import "bytes"

// The parsers, for the fuzz tests and tables of this package.
var (
	ParseConnections = parseConnections
	ParseDump        = parseDump
	ParseInfo        = parseInfo
	ParseOffer       = parseOffer
	ParseProcesses   = parseProcesses
	ParseReload      = parseReload
	ParseServers     = parseServers
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
