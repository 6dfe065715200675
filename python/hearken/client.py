class Client: pass
class ServerError(Exception): pass
