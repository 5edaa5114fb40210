"""Tells a page from an answer of the cloud that lacks its trailers, for which gRPC core has the same words.

A page comes from a proxy or a load balancer, and then the cloud was not reached. What answers is asked once more by the
SDK's own gRPC library, which looks at the content type. Only for reads: a call that changes something is sent once.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from google.protobuf.empty_pb2 import Empty
from grpclib.client import Channel
from grpclib.const import Cardinality
from grpclib.exceptions import GRPCError

from viam_billing.cloud.certificates import Trust
from viam_billing.cloud.failures import CallFailedError
from viam_billing.settings.app_address import AppAddress


async def is_page(
    address: AppAddress,
    tls: ssl.SSLContext | None,
    call: CallFailedError,
    metadata: Mapping[str, str],
    timeout_s: float,
) -> bool:
    """Whether a failed call is answered by something that is not gRPC. False where nothing answers."""
    channel = Channel(path=address.path) if address.path else Channel(address.host, address.port, ssl=tls)
    try:
        async with channel.request(
            call.sent[0], Cardinality.UNARY_UNARY, Empty, Empty, timeout=timeout_s, metadata=metadata
        ) as stream:
            await stream.send_message(Empty.FromString(call.sent[1]), end=True)
            await stream.recv_initial_metadata()
            await stream.cancel()
    except GRPCError as error:
        return "content-type" in (error.message or "") or ":status" in (error.message or "")
    except Exception:  # noqa: BLE001 - the library has many words for a connection that breaks; none of them is a page
        return False
    finally:
        channel.close()
    return False


def tls_context(trust: Trust, *, verified: bool) -> ssl.SSLContext:
    """The same trust for the SDK's library. Takes tens of milliseconds: call it from a thread, and once."""
    context = ssl.create_default_context(cadata=None if trust.roots is None else trust.roots.decode("ascii", "ignore"))
    if not verified:
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2"])
    return context
