"""The index for agents: a server of the Model Context Protocol over stdin and stdout.

    wire        the two descriptors the protocol is spoken on, kept from everybody else
    server      the SDK's side: tools are listed and called, progress is told, calls are cancelled
    schemas     what each tool takes, in JSON Schema, and in words for language models
    arguments   checks what came in against these schemas
    tools       what each tool does
    served      the folders that are served: index, watch, and which paths are theirs
    pages       results that a client asks for one page after the other
    present     results as a language model reads them: much on few tokens

Nothing here knows the command line, and nothing but `server` and `wire` knows the SDK.
"""
