package statsock

// The parsers, for the fuzz tests and tables of this package.
var (
	ParseConnections = parseConnections
	ParseDump        = parseDump
	ParseInfo        = parseInfo
	ParseProcesses   = parseProcesses
	ParseReload      = parseReload
	ParseServers     = parseServers
	ReadStats        = readStats
	Separate         = separate
)
