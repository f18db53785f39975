"""How bytes get to the emulator: three ways in to one WSGI application, which they know nothing about.

`intercept` leads a whole process there, `mount` the requests that a caller claims, `serve` other processes.
"""

from phi_azure.emulator.network.interception import Interception, intercept
from phi_azure.emulator.network.mounting import Mount, mount
from phi_azure.emulator.network.names import is_azure, is_telemetry
from phi_azure.emulator.network.proxy import ProxyServer, serve

__all__ = ["Interception", "Mount", "ProxyServer", "intercept", "is_azure", "is_telemetry", "mount", "serve"]
