"""Reports: one result, several writers."""

from __future__ import annotations

from noxlib.report.coverage import Report, ReportOrder, RunData, coverage_report

__all__ = ["Report", "ReportOrder", "RunData", "coverage_report"]
